import type { InferqConfig } from '@inferq/config'
import type { Clock, Service } from '@inferq/runtime'
import { createInferqMetrics, createLogger, createMetrics, type LogDestination } from '@inferq/telemetry'
import { type ComposedLive, composeLive } from '../compose-live.ts'
import { createLateService } from '../late-service.ts'
import type { LoadedConfig } from '../load-config.ts'
import type { MasterKey } from '../master-key.ts'
import type { Screen } from '../screen.ts'
import type { Settings, Variables } from '../settings.ts'
import { createStack } from '../stack.ts'
import { createBackendsPart } from './backends-part.ts'
import { createControllerPart } from './controller-part.ts'
import { createIngressPart, type IngressNeeds } from './ingress-part.ts'
import { createPostgresPart } from './postgres-part.ts'
import { createRedisPart } from './redis-part.ts'
import type { Returned } from './returns.ts'
import { createWorkerPart } from './worker-part.ts'

export interface ComposeUpOptions {
  readonly settings: Settings
  readonly variables: Variables
  readonly host: string
  readonly port: number
  readonly dataDir: string
  readonly configFile: string | undefined
  readonly loaded: LoadedConfig
  readonly masterKey: MasterKey
  readonly workers: number
  readonly isTerminal: boolean
  readonly clock: Clock
  readonly destination: LogDestination
  readonly screen: Screen
}

export interface Up {
  readonly service: Service
  /** Once it has started. */
  url(): string
  config(): InferqConfig
}

/**
 * The parts of `inferq up`, each of which shows a line when it is up. They start together, each waiting for those it
 * needs, and stop one by one from the last: ingress, workers, controller, backends, Postgres, Redis.
 */
export function composeUp(options: ComposeUpOptions): Up {
  const { settings, screen, destination, clock, loaded, masterKey } = options
  const { namespace, logLevel: level } = settings
  const logger = (service: string) => createLogger({ service, level, destination })
  const onChange: Returned = (part, event) =>
    screen.notice(part, event === 'gone' ? 'died; starting it again' : 'is back')
  const shared = { ...options, onChange, log: logger('up') }

  const redis = createRedisPart({ ...shared, warn: (text) => screen.notice('Redis', text) })
  const postgres = createPostgresPart(loaded.config.databaseUrl ?? settings.databaseUrl, shared)
  const backends = createBackendsPart({ ...shared, warn: (text) => screen.notice('Backend', text) })
  const shown = {
    redis: screen.part('Redis', redis.service, redis.describe),
    postgres: screen.part('Postgres', postgres.service, postgres.describe),
    backends: screen.part('Backend', backends.service, backends.describe),
  }
  const registry = createMetrics()
  let composed: ComposedLive | undefined
  /** One configuration for ingress and controller; each worker has its own. */
  const live = createLateService('config', async () => {
    await Promise.all([shown.redis.start(), shown.backends.start()])
    const { configFile, variables, masterKey, isTerminal } = options
    composed = composeLive({
      ...{ loaded: backends.loaded(), configFile, variables, detected: backends.detected() ?? [] },
      ...{ redisUrl: redis.url(), settings, masterKey: masterKey.value, tellOnHangup: true, isTerminal },
      ...{ clock, log: logger('config'), registry },
    })
    return composed.live
  })
  const needs = async (): Promise<IngressNeeds> => {
    await Promise.all([shown.postgres.start(), live.start()])
    if (composed === undefined) throw new Error('started without a configuration')
    return { redisUrl: redis.url(), databaseUrl: postgres.url(), ...composed }
  }

  const face = { namespace, needs, clock, registry, inferqMetrics: createInferqMetrics(registry) }
  const controller = createControllerPart({ ...face, log: logger('controller') })
  const ingress = createIngressPart({ ...options, ...face, log: logger('ingress') })
  const workers = Array.from({ length: options.workers }, (_, index) => {
    const worker = createWorkerPart({
      ...shared,
      number: index + 1,
      saltKey: settings.saltKey ?? masterKey.value,
      async needs() {
        await Promise.all([shown.redis.start(), shown.backends.start()])
        return { redisUrl: redis.url(), detected: backends.detected() }
      },
    })
    return screen.part(`Worker ${index + 1}`, worker, () => `process ${worker.pid}`)
  })
  const service = createStack('inferq', [
    ...Object.values(shown),
    live,
    screen.part('Controller', controller, () => 'records outcomes'),
    ...workers,
    screen.part('Ingress', ingress.service, () => `listens on ${ingress.url()}`),
  ])
  return { service, url: ingress.url, config: () => live.made().current() }
}
