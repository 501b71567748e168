import { createRedisKeys } from '@inferq/contracts'
import { createFileStore } from '@inferq/files'
import { createDeploymentHealth } from '@inferq/health'
import type { LiveConfig, Sealer } from '@inferq/liveconfig'
import { createCancelBroadcast, createJobQueue, createWorkerRegistry, weighOutcomes } from '@inferq/queue'
import {
  type Clock,
  closeRedis,
  createId,
  createRedis,
  createRedisServiceCheck,
  createService,
  createServiceGroup,
  errorMessage,
  type ServiceCheck,
  type ServiceGroup,
  whenRedisReady,
  withDeadline,
} from '@inferq/runtime'
import { createShares } from '@inferq/shares'
import type { Store } from '@inferq/store'
import { createInferqMetrics, type InferqMetrics, type Logger, type Metrics } from '@inferq/telemetry'
import { createLogFollower, createTokenLog } from '@inferq/tokenlog'
import { createWebhookSecrets } from '@inferq/webhooks'
import { createCore } from './core.ts'
import { createEventTokens } from './event-tokens.ts'
import { type Authenticator, createMasterKeyAuthenticator } from './identity.ts'
import { isLoopback } from './loopback.ts'
import { createModelRegistry } from './models/model-registry.ts'
import type { IngressOptions } from './options.ts'
import { createOutcomeRoom } from './outcome-room.ts'
import { createIngressServer, type ListenOptions } from './server.ts'

export interface ComposeIngressOptions {
  /** Started and stopped by whoever made it; asked at every request. */
  readonly live: LiveConfig
  /** Closes the secrets of models added at run time; opens what other processes closed. */
  readonly sealer: Sealer
  readonly listen: ListenOptions
  /** The key for everything, where the configuration has none: a development key. */
  readonly masterKey?: string
  /** Instead of the master key. */
  readonly authenticator?: Authenticator
  readonly redisUrl: string
  /** Default `inferq`. */
  readonly namespace?: string
  /** The record of truth; migrated and closed by whoever made it, to answer within `databaseAnswerWithinMs`. */
  readonly store: Store
  /** Where files go that the configuration puts on the disk without saying where. Default `.inferq/files`. */
  readonly filesDir?: string
  readonly clock: Clock
  readonly log: Logger
  /** The registry behind /metrics, and inferq's metrics where they are on it already. */
  readonly metrics: Metrics
  readonly inferqMetrics?: InferqMetrics
  readonly options?: Partial<IngressOptions>
  /** How long a stop may take, beside `stopDelayMs`. Default 30 s. */
  readonly stopTimeoutMs?: number
}

export interface Ingress extends ServiceGroup {
  /** Where it listens; only after `start`. */
  url(): string
}

const connectTimeoutMs = 10_000
/** A Postgres that does not answer: what a client waits for its 503, beside what a large request takes. */
export const databaseAnswerWithinMs = 1_500
/**
 * A Redis that takes commands and gives no reply: what a client waits for its 503, at most. A command is not sent again
 * over the next connection: the client is there to try again, and would wait twice as long.
 */
const replyTimeoutMs = 1_500
const retries = { maxRetriesPerRequest: 0 }

/** An ingress with its connections, ready to start. Throws when it would serve a public address without a key. */
export function composeIngress(options: ComposeIngressOptions): Ingress {
  const { live, listen, redisUrl, store, clock, log, metrics } = options
  const keys = createRedisKeys(options.namespace)
  // Nothing connects before the start: an ingress that is never started leaves nothing open.
  const lazily = { lazyConnect: true }
  const connection = { url: redisUrl, name: 'inferq-ingress', log, clock, overrides: lazily }
  const redis = createRedis({ ...connection, role: 'command', replyTimeoutMs, overrides: { ...lazily, ...retries } })
  const subscriber = createRedis({ ...connection, role: 'subscriber' })
  const tokenLog = createTokenLog({ redis, keys, clock })
  const shares = createShares({ redis, keys, clock, log })
  const queue = createJobQueue({ redis, keys, placing: shares, log })
  const watcher = createId('ingress')
  const follower = createLogFollower({ tokenLog, subscriber, redis, keys, clock, log, watcher })
  const inferqMetrics = options.inferqMetrics ?? createInferqMetrics(metrics)
  const health = createDeploymentHealth({
    redis,
    subscriber,
    keys,
    config: () => live.current().breaker,
    processId: watcher,
    clock,
    log,
    metrics: inferqMetrics,
  })
  const models = createModelRegistry({ store, redis, keys, live, sealer: options.sealer, clock, log })
  const outcomeRoom = createOutcomeRoom({ weigh: () => weighOutcomes(redis, keys), clock, log })
  const core = createCore(
    {
      config: () => live.current(),
      live,
      models,
      health,
      tokenLog,
      follower,
      queue,
      cancellations: createCancelBroadcast({ redis, keys }),
      workers: createWorkerRegistry({ redis, keys }),
      shares,
      eventTokens: createEventTokens(() => options.sealer.deriveKey('event tokens')),
      store,
      files: createFileStore(live.current().files.storage, options.filesDir ?? '.inferq/files'),
      webhookSecrets: createWebhookSecrets(store, options.sealer),
      authenticator: options.authenticator ?? authenticatorOf(options),
      outcomeRoom,
      // Without Postgres interactive requests are served: a balancer must not take every ingress out for it.
      checks: [
        { ...createRedisServiceCheck({ redis, clock, writeKey: keys.writeCheck() }), needed: true },
        { ...createStoreCheck(store, clock), needed: false },
      ],
      log,
      registry: metrics,
      metrics: inferqMetrics,
      clock,
    },
    options.options,
  )
  const close = async (): Promise<void> => {
    await queue.close().catch((): void => {})
    await tokenLog.close()
    await Promise.all([closeRedis(redis), closeRedis(subscriber)])
  }
  const connections = createService({
    name: 'redis',
    async start() {
      const all = [redis, subscriber]
      // What keeps one from connecting is told by whenRedisReady.
      for (const one of all) one.connect().catch((): void => {})
      try {
        await Promise.all(all.map((one) => whenRedisReady(one, { timeoutMs: connectTimeoutMs, clock })))
      } catch (thrown) {
        await close()
        throw thrown
      }
    },
    stop: close,
  })
  const server = createIngressServer(core, listen)
  const stopTimeoutMs = (options.stopTimeoutMs ?? 30_000) + core.options.stopDelayMs
  const group = createServiceGroup({ log, clock, name: 'ingress', stopTimeoutMs }, [
    server.prepared,
    connections,
    follower,
    health,
    shares,
    models,
    outcomeRoom,
    core.queueRoom,
    core.batchDesk,
    server,
  ])
  return { ...group, url: () => server.url() }
}

function authenticatorOf(options: ComposeIngressOptions): Authenticator {
  const key = options.live.current().masterKey ?? options.masterKey
  if (key === undefined) throw new Error('a master key is needed: set INFERQ_MASTER_KEY')
  const isOwn = options.live.current().masterKey === undefined
  if (isOwn && !isLoopback(options.listen.host ?? '127.0.0.1')) {
    throw new Error(`${options.listen.host} is a public address: set INFERQ_MASTER_KEY before serving it`)
  }
  return createMasterKeyAuthenticator(key)
}

/** Asks Postgres within a second. */
function createStoreCheck(store: Store, clock: Clock): ServiceCheck {
  return {
    name: 'postgres',
    async run(signal) {
      const startedAt = clock.monotonic()
      try {
        await withDeadline(clock, { timeoutMs: 1_000, what: 'select 1', parent: signal }, () => store.ping())
        return { ok: true, latencyMs: clock.monotonic() - startedAt }
      } catch (thrown) {
        return { ok: false, error: errorMessage(thrown) }
      }
    },
  }
}
