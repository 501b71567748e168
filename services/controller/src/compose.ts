import { hostname } from 'node:os'
import type { InferqConfig } from '@inferq/config'
import { createRedisKeys } from '@inferq/contracts'
import type { Sealer } from '@inferq/liveconfig'
import { createCancelBroadcast, createJobQueue } from '@inferq/queue'
import {
  type Clock,
  closeRedis,
  createId,
  createRedis,
  createService,
  createServiceGroup,
  type Log,
  type ServiceGroup,
  whenRedisReady,
} from '@inferq/runtime'
import { createShares } from '@inferq/shares'
import { createStore } from '@inferq/store'
import type { InferqMetrics, Metrics } from '@inferq/telemetry'
import { createTokenLog } from '@inferq/tokenlog'
import { createWebhookSecrets } from '@inferq/webhooks'
import { createController } from './controller.ts'
import type { ControllerOptions } from './options.ts'

export interface ComposeControllerOptions {
  /** The configuration in force, asked at every turn. */
  config(): InferqConfig
  /** Opens the secrets that sign webhooks, and closes new ones. */
  readonly sealer: Sealer
  readonly redisUrl: string
  readonly databaseUrl: string
  /** Default `inferq`. */
  readonly namespace?: string
  readonly clock: Clock
  readonly log: Log
  /** The registry behind /metrics, and inferq's metrics on it. */
  readonly registry: Metrics
  readonly metrics: InferqMetrics
  readonly options?: Partial<ControllerOptions>
}

const connectTimeoutMs = 10_000

/** A controller with its connections, ready to start; the start migrates the database. */
export function composeController(options: ComposeControllerOptions): ServiceGroup {
  const { config, redisUrl, databaseUrl, clock, log, registry, metrics } = options
  const keys = createRedisKeys(options.namespace)
  // Nothing connects before the start: a controller that is never started leaves nothing open.
  const connection = { url: redisUrl, name: 'inferq-controller', log, clock, overrides: { lazyConnect: true } }
  const redis = createRedis({ ...connection, role: 'command' })
  const blocking = createRedis({ ...connection, role: 'blocking' })
  const store = createStore({ url: databaseUrl, log })
  const shares = createShares({ redis, keys, clock, log })
  const queue = createJobQueue({ redis, keys, placing: shares, log })
  const tokenLog = createTokenLog({ redis, keys, clock })

  const close = async (): Promise<void> => {
    await queue.close().catch((): void => {})
    await tokenLog.close()
    await Promise.all([closeRedis(redis), closeRedis(blocking), store.close()])
  }
  const connections = createService({
    name: 'connections',
    async start() {
      // What keeps it from connecting is told by whenRedisReady.
      redis.connect().catch((): void => {})
      try {
        await whenRedisReady(redis, { timeoutMs: connectTimeoutMs, clock })
        await store.migrate()
      } catch (thrown) {
        await close()
        throw thrown
      }
    },
    stop: close,
  })
  const controller = createController({
    controllerId: `${hostname()}-${createId('c')}`,
    config,
    store,
    webhookSecrets: createWebhookSecrets(store, options.sealer),
    tokenLog,
    queue,
    shares,
    cancellations: createCancelBroadcast({ redis, keys }),
    redis,
    blocking,
    keys,
    clock,
    log,
    registry,
    metrics,
    options: {
      webhooks: () => config().webhooks,
      resultKeepMs: () => config().retention.resultSeconds * 1000,
      promptKeepMs: () => config().retention.promptSeconds * 1000,
      spendKeepMs: () => config().retention.spendSeconds * 1000,
      ...options.options,
    },
  })
  return createServiceGroup({ log, clock, name: 'controller' }, [connections, shares, controller])
}
