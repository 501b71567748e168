import { hostname } from 'node:os'
import { createRedisKeys, type ErrorDetail } from '@inferq/contracts'
import { createDeploymentHealth } from '@inferq/health'
import type { LiveConfig } from '@inferq/liveconfig'
import { createJobQueue } from '@inferq/queue'
import {
  type Clock,
  closeRedis,
  createId,
  createRedis,
  createService,
  createServiceGroup,
  type ServiceGroup,
  whenRedisReady,
} from '@inferq/runtime'
import { createShares } from '@inferq/shares'
import { createInferqMetrics, type Logger, type Metrics } from '@inferq/telemetry'
import { createTokenLog } from '@inferq/tokenlog'
import { watchCalls } from './watch-calls.ts'
import { createWorker, type Worker, type WorkerActivity } from './worker.ts'

export interface ComposeWorkerOptions {
  /** Started and stopped by whoever made it. */
  readonly live: LiveConfig
  readonly redisUrl: string
  /** Default `inferq`. */
  readonly namespace?: string
  /** Classes to serve. Default: all of the configuration, as it changes. Throws at once when one is not configured. */
  readonly classes?: readonly string[]
  /** The GPU this process is pinned to; told to others, and not acted on here. */
  readonly gpu?: string
  /** Default: host name and a random part. */
  readonly workerId?: string
  /** Hears of every upstream call that failed, as soon as it has: for whoever watches the backend. */
  readonly onCallFailed?: (deployment: string, error: ErrorDetail) => void
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** A worker with its connections. */
export interface ComposedWorker extends ServiceGroup, Pick<Worker, 'drained'> {
  activity(): WorkerActivity
}

const connectTimeoutMs = 10_000
/** A Redis that says nothing for so long is gone: shorter than a job's lock. */
const replyTimeoutMs = 3_000
/** On top of the drain time, for closing connections. */
const closeMs = 5_000

/** A worker with its connections, ready to start. It needs Redis and its backends, nothing else. */
export function composeWorker(options: ComposeWorkerOptions): ComposedWorker {
  const { live, redisUrl, clock, log, metrics, gpu = null, classes } = options
  const config = live.current()
  const unknown = (classes ?? []).filter((name) => config.classes[name] === undefined)
  if (unknown.length > 0) {
    const known = Object.keys(config.classes).join(', ')
    throw new Error(`no deployment of class ${unknown.join(', ')} is configured; there are: ${known}`)
  }
  const keys = createRedisKeys(options.namespace)
  const connection = { url: redisUrl, name: 'inferq-worker', log, clock }
  const redis = createRedis({ ...connection, role: 'blocking', replyTimeoutMs, cork: true })
  const subscriber = createRedis({ ...connection, role: 'subscriber' })
  const shares = createShares({ redis, keys, clock, log })
  const queue = createJobQueue({ redis, keys, placing: shares, log })
  const tokenLog = createTokenLog({ redis, keys, clock })
  const workerId = options.workerId ?? `${hostname()}-${createId('w')}`
  const inferqMetrics = createInferqMetrics(metrics)
  const health = createDeploymentHealth({
    redis,
    subscriber,
    keys,
    config: () => live.current().breaker,
    processId: workerId,
    clock,
    log,
    metrics: inferqMetrics,
  })
  const worker = createWorker({
    workerId,
    classes,
    gpu,
    live,
    health: options.onCallFailed === undefined ? health : watchCalls(health, options.onCallFailed),
    redis,
    subscriber,
    keys,
    tokenLog,
    queue,
    shares,
    clock,
    random: Math.random,
    log,
    metrics: inferqMetrics,
  })
  const connections = createService({
    name: 'redis',
    start: () => whenRedisReady(redis, { timeoutMs: connectTimeoutMs, clock }),
    async stop() {
      await queue.close().catch((): void => {})
      await tokenLog.close()
      await Promise.all([closeRedis(redis), closeRedis(subscriber)])
    },
  })
  const stopTimeoutMs = config.workers.drainSeconds * 1000 + closeMs
  const group = createServiceGroup({ log, clock, name: 'worker', stopTimeoutMs }, [connections, health, shares, worker])
  return { ...group, activity: worker.activity, drained: worker.drained }
}
