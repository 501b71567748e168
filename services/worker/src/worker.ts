import { hostname } from 'node:os'
import type { InferqConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import {
  createCancelListener,
  createJobConsumer,
  createWorkerRegistry,
  type JobConsumer,
  type JobQueue,
} from '@inferq/queue'
import { createRoutes } from '@inferq/routing'
import {
  type Clock,
  createPeriodicService,
  createService,
  type Deadline,
  type Redis,
  type Service,
} from '@inferq/runtime'
import type { InferqMetrics, Logger } from '@inferq/telemetry'
import type { TokenLog } from '@inferq/tokenlog'
import { createAttemptReport } from './attempt-report.ts'
import { createAttemptRunner } from './run-attempt.ts'
import { createJobRunner } from './run-job.ts'
import { CancelledError, DrainingError } from './stop-reasons.ts'
import { createUpstreams } from './upstreams.ts'

export interface WorkerOptions {
  readonly workerId: string
  /** The classes it serves, each with its own bound on jobs at once. */
  readonly classes: readonly string[]
  readonly gpu: string | null
  readonly config: InferqConfig
  /** Shared by all consumers; role `blocking`. */
  readonly redis: Redis
  readonly subscriber: Redis
  readonly keys: RedisKeys
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly metrics: InferqMetrics
}

const beatMs = 3_000
/** A worker that has not beaten for this long is taken off the list. */
const lifetimeMs = 10_000
/** What is left of the stop's deadline for putting back what did not end in time. */
const reserveMs = 2_000

/**
 * Takes jobs of its classes and runs them. `quiet`: takes nothing new. `stop`: lets running jobs end until shortly before
 * the deadline, then puts the rest back without counting an attempt.
 */
export function createWorker(options: WorkerOptions): Service {
  const { workerId, classes, gpu, config, redis, keys, tokenLog, queue, clock, log, metrics } = options
  const upstreams = createUpstreams()
  const maxTries = config.workers.maxAttempts
  const runAttempt = createAttemptRunner({
    ...options,
    maxTries,
    routes: createRoutes(config),
    upstreams,
    report: createAttemptReport(log, metrics),
  })
  const jobs = createJobRunner({ workerId, maxTries, tokenLog, queue, clock, runAttempt })
  const running = new Set<Promise<unknown>>()
  const startedAt = clock.now()
  let state: 'running' | 'draining' = 'running'

  const track = <T>(work: Promise<T>): Promise<T> => {
    running.add(work)
    const forget = (): void => void running.delete(work)
    work.then(forget, forget)
    return work
  }

  const consumers: readonly JobConsumer[] = classes.map((name) =>
    createJobConsumer({
      class: name,
      concurrency: limitOf(name),
      lockMs: config.workers.lockSeconds * 1000,
      stalledMs: config.workers.stalledSeconds * 1000,
      redis,
      keys,
      log,
      process: (reference, signal) => track(jobs.process(reference, signal)),
      onAbandoned: (reference, reason) => jobs.abandon(reference, reason),
    }),
  )

  const cancellations = createCancelListener({
    subscriber: options.subscriber,
    keys,
    onCancel(jobId) {
      for (const consumer of consumers) consumer.abort(jobId, new CancelledError('the job was cancelled'))
    },
  })

  const registry = createWorkerRegistry({ redis, keys })
  const heartbeat = createPeriodicService({
    name: 'heartbeat',
    intervalMs: beatMs,
    clock,
    log,
    async run() {
      consumers.forEach((consumer, i) => {
        const labels = { model_class: classes[i] ?? '' }
        metrics.workerInFlight.with(labels).set(consumer.inFlight)
        metrics.workerLimit.with(labels).set(limitOf(classes[i] ?? ''))
      })
      await registry.beat(
        {
          id: workerId,
          host: hostname(),
          pid: process.pid,
          gpu,
          classes,
          limit: classes.reduce((sum, name) => sum + limitOf(name), 0),
          inFlight: consumers.reduce((sum, consumer) => sum + consumer.inFlight, 0),
          startedAt,
          lastBeatAt: clock.now(),
          state,
        },
        lifetimeMs,
      )
    },
  })

  function limitOf(name: string): number {
    return config.classes[name]?.concurrency ?? 1
  }

  const quiet = async (): Promise<void> => {
    state = 'draining'
    await Promise.all(consumers.map((consumer) => consumer.quiet()))
  }

  /** Resolves when nothing runs any more, or after `timeoutMs`. */
  const idle = async (timeoutMs: number): Promise<void> => {
    const cut = new AbortController()
    const late = clock.sleep(timeoutMs, cut.signal).catch((): void => {})
    await Promise.race([Promise.allSettled([...running]), late])
    cut.abort()
  }

  return createService({
    name: 'worker',
    async start() {
      await cancellations.start()
      await Promise.all(consumers.map((consumer) => consumer.start()))
      await heartbeat.start()
      log.info({ workerId, classes, gpu }, 'worker-started')
    },
    quiet,
    async stop(deadline: Deadline) {
      await quiet()
      await idle(Math.max(0, deadline.timeoutMs - reserveMs))
      for (const consumer of consumers) consumer.abortAll(new DrainingError('the worker is stopping'))
      await idle(reserveMs / 2)
      await Promise.all(consumers.map((consumer) => consumer.stop(deadline)))
      await heartbeat.stop(deadline)
      await registry.leave(workerId).catch((): void => {})
      await cancellations.stop(deadline)
      await upstreams.close()
    },
  })
}
