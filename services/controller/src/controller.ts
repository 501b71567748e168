import type { InferqConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import { type CancelBroadcast, createOutcomeConsumer, inspectOutcomes, type JobQueue } from '@inferq/queue'
import {
  type Clock,
  createPeriodicService,
  createService,
  createServiceGroup,
  type Log,
  type Redis,
  type ServiceGroup,
} from '@inferq/runtime'
import type { Shares } from '@inferq/shares'
import type { Store } from '@inferq/store'
import type { InferqMetrics, Metrics } from '@inferq/telemetry'
import type { TokenLog } from '@inferq/tokenlog'
import type { WebhookSecrets } from '@inferq/webhooks'
import { createBatchRunner } from './batches/batch-runner.ts'
import { createEndedElsewhere } from './ended-elsewhere.ts'
import { createExpiry } from './expiry.ts'
import { type ControllerOptions, defaultOptions } from './options.ts'
import { createOutcomeGate } from './outcome-gate.ts'
import { createOutcomeRecorder } from './outcome-recorder.ts'
import { createReconciler } from './reconciler.ts'
import { createRelay } from './relay.ts'
import { createRenumbering } from './renumbering.ts'
import { createRequeue } from './requeue-jobs.ts'
import { createRetention } from './retention.ts'
import type { Resolve } from './webhooks/send.ts'
import { createWebhooks } from './webhooks/webhooks.ts'

export interface ControllerParts {
  /** Unique among the controllers alive. */
  readonly controllerId: string
  /** The configuration in force: batches are routed by it. */
  config(): InferqConfig
  readonly store: Store
  readonly tokenLog: TokenLog
  /** On the connection of `tokenLog`: a job's record has to reach Redis before its place in the queue. */
  readonly queue: JobQueue
  /** The queue goes by them; started by whoever made them. */
  readonly shares: Shares
  readonly cancellations: CancelBroadcast
  /** Commands. */
  readonly redis: Redis
  /** Waits for outcomes; nobody else may use it. */
  readonly blocking: Redis
  readonly keys: RedisKeys
  /** What signs webhooks. */
  readonly webhookSecrets: WebhookSecrets
  /** Looks up the names of their receivers. Default: the system's resolver. */
  readonly resolve?: Resolve
  readonly clock: Clock
  readonly log: Log
  /** The registry behind /metrics, and inferq's metrics on it. */
  readonly registry: Metrics
  readonly metrics: InferqMetrics
  readonly options?: Partial<ControllerOptions>
}

/**
 * Keeps the record of truth true: records outcomes, enqueues what was accepted and not enqueued, ends what is overdue,
 * brings back what Redis lost, tells receivers of webhooks, deletes what is past its retention. Any number of controllers may run: every step is either
 * claimed or safe to do twice.
 */
export function createController(parts: ControllerParts): ServiceGroup {
  const { controllerId, redis, blocking, keys, clock, log, registry } = parts
  const options: ControllerOptions = { ...defaultOptions, ...parts.options }

  registry.gauge({
    name: 'inferq_outcome_backlog',
    help: 'Outcomes of jobs that are not recorded in Postgres yet',
    async collect(family) {
      const backlog = await inspectOutcomes(redis, keys).catch(() => null)
      family.clear()
      oldestSeconds.clear()
      if (backlog === null) return
      family.with({}).set(backlog.length)
      oldestSeconds.with({}).set(backlog.oldestAt === null ? 0 : Math.max(0, clock.now() - backlog.oldestAt) / 1000)
    },
  })
  const oldestSeconds = registry.gauge({
    name: 'inferq_outcome_oldest_seconds',
    help: 'Age of the oldest outcome that is not recorded in Postgres yet',
  })
  const recovered = registry.counter({
    name: 'inferq_jobs_recovered_total',
    help: 'Accepted jobs that a controller put into their queues',
    labels: ['reason'],
  })

  const requeue = createRequeue({ ...parts, recovered })
  const gate = createOutcomeGate({ redis, keys, clock })
  const reconciler = createReconciler({ ...parts, requeue, gate })
  const expiry = createExpiry({ ...parts, gate })
  const endedElsewhere = createEndedElsewhere({ ...parts, lookEveryMs: options.endedElsewhereEveryMs })
  const relay = createRelay({ ...parts, requeue })
  const retention = createRetention({
    ...parts,
    keepMs: () => options.resultKeepMs(),
    promptKeepMs: () => options.promptKeepMs(),
    spendKeepMs: () => options.spendKeepMs(),
    idempotencyKeepMs: options.idempotencyKeepMs,
    batchKeepMs: options.batchKeepMs,
  })

  const batches = createBatchRunner({ ...parts, idleMs: options.batchIdleMs })
  const batchLeases = createService({ name: 'batch-leases', start() {}, stop: () => batches.release() })

  const { dispatcher, counting } = createWebhooks({
    ...parts,
    config: () => options.webhooks(),
    limits: {
      pollMs: options.webhookPollMs,
      concurrency: options.webhookConcurrency,
      perHost: options.webhooksPerHost,
    },
    countEveryMs: options.webhookCountEveryMs,
    waitsMs: options.webhookWaitsMs,
  })

  const periodic = (name: string, intervalMs: number, run: (signal: AbortSignal) => Promise<void>) =>
    createPeriodicService({ name, intervalMs, timeoutMs: options.turnTimeoutMs, log, clock, run })

  const doubt = (): void => {
    reconciler.doubt()
    endedElsewhere.doubt()
  }
  const reconnects = createService({
    name: 'reconnects',
    start: () => void redis.on('ready', doubt),
    stop: () => void redis.off('ready', doubt),
  })

  return createServiceGroup({ log, clock, name: 'controller' }, [
    reconnects,
    counting,
    dispatcher,
    createOutcomeConsumer({
      blocking,
      redis,
      keys,
      consumer: controllerId,
      log,
      clock,
      batchSize: options.batchSize,
      lingerMs: options.lingerMs,
      takeOverAfterMs: options.takeOverAfterMs,
      onBatch: createOutcomeRecorder({ ...parts, onDeliveries: () => dispatcher.wake() }),
      onStreamLost: doubt,
    }),
    batchLeases,
    periodic('batches', options.batchEveryMs, (signal) => batches.turn(signal)),
    periodic('relay', options.relayEveryMs, (signal) => relay(signal)),
    periodic('expiry', options.expireEveryMs, (signal) => expiry(signal)),
    periodic('reconciler', options.reconcileEveryMs, (signal) => reconciler.turn(signal)),
    periodic('ended-elsewhere', options.reconcileEveryMs, (signal) => endedElsewhere.turn(signal)),
    periodic('renumbering', options.renumberEveryMs, createRenumbering(parts)),
    periodic('retention', options.retainEveryMs, (signal) => retention(signal)),
  ])
}
