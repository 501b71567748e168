import { join } from 'node:path'
import type { Ingress } from '@inferq/ingress'
import type { LiveConfig, Sealer } from '@inferq/liveconfig'
import { type Clock, createService, type Service } from '@inferq/runtime'
import type { Store } from '@inferq/store'
import type { InferqMetrics, Logger, Metrics } from '@inferq/telemetry'
import type { MasterKey } from '../master-key.ts'
import { listenError } from '../port.ts'
import { ingressOptionsOf, type Settings } from '../settings.ts'

export interface IngressPartOptions {
  readonly host: string
  readonly port: number
  readonly masterKey: MasterKey
  readonly namespace: string | undefined
  readonly dataDir: string
  readonly settings: Settings
  /** Awaited first: what the ingress needs has to be there. */
  readonly needs: () => Promise<IngressNeeds>
  readonly clock: Clock
  readonly log: Logger
  readonly registry: Metrics
  readonly inferqMetrics: InferqMetrics
}

export interface IngressNeeds {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly live: LiveConfig
  readonly sealer: Sealer
}

export interface IngressPart {
  readonly service: Service
  /** Once it has started. */
  url(): string
}

/** What clients that wait for an answer get when the stack stops. */
const stopTimeoutMs = 3_000

/** The ingress in this process, with its own way to Postgres. Its modules are loaded while others start. */
export function createIngressPart(options: IngressPartOptions): IngressPart {
  const { host, port, dataDir, settings, masterKey, namespace, clock, log, registry, inferqMetrics } = options
  let ingress: Ingress | undefined
  let store: Store | undefined
  const service = createService({
    name: 'ingress',
    async start() {
      const [{ composeIngress, databaseAnswerWithinMs }, { createStore }, needs] = await Promise.all([
        import('@inferq/ingress'),
        import('@inferq/store'),
        options.needs(),
      ])
      store = createStore({ url: needs.databaseUrl, log, answerWithinMs: databaseAnswerWithinMs })
      ingress = composeIngress({
        live: needs.live,
        sealer: needs.sealer,
        listen: { host, port },
        redisUrl: needs.redisUrl,
        store,
        filesDir: join(dataDir, 'files'),
        clock,
        log,
        metrics: registry,
        inferqMetrics,
        options: ingressOptionsOf(settings),
        stopTimeoutMs,
        ...(namespace === undefined ? {} : { namespace }),
        ...(masterKey.kind === 'development' ? { masterKey: masterKey.value } : {}),
      })
      try {
        await ingress.start()
      } catch (thrown) {
        await store.close()
        throw listenError(thrown, host, port)
      }
    },
    quiet: () => ingress?.quiet(),
    async stop(deadline) {
      try {
        await ingress?.stop(deadline)
      } finally {
        await store?.close()
      }
    },
  })
  return {
    service,
    url() {
      if (ingress === undefined) throw new Error('asked before it has started')
      return ingress.url()
    },
  }
}
