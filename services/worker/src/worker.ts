import { hostname } from 'node:os'
import type { RedisKeys } from '@inferq/contracts'
import type { DeploymentHealth } from '@inferq/health'
import type { LiveConfig } from '@inferq/liveconfig'
import { createCancelListener, createJobConsumer, createWorkerRegistry, type JobQueue } from '@inferq/queue'
import { createRouter } from '@inferq/routing'
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
import { createBackgroundChecks } from './background-checks.ts'
import { createConsumers } from './consumers.ts'
import { createDesertedJobs } from './deserted-jobs.ts'
import { createMissedCancellations } from './missed-cancellations.ts'
import { createAttemptRunner } from './run-attempt.ts'
import { createJobRunner } from './run-job.ts'
import { CancelledError, DrainingError } from './stop-reasons.ts'
import { createUpstreams } from './upstreams.ts'

export interface WorkerOptions {
  readonly workerId: string
  /** The classes it serves. Undefined: all of the configuration, as it changes. */
  readonly classes: readonly string[] | undefined
  readonly gpu: string | null
  readonly live: LiveConfig
  readonly health: DeploymentHealth
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
  const { workerId, gpu, live, redis, keys, tokenLog, queue, clock, log, metrics } = options
  const upstreams = createUpstreams((error) => log.warn({ error }, 'upstream-not-closed'))
  let router = createRouter(live.current())
  const attempts = createAttemptRunner({
    ...options,
    config: () => live.current(),
    router: () => router,
    upstreams,
    report: createAttemptReport(log, metrics),
  })
  const deserted = createDesertedJobs({
    ...{ tokenLog, clock, log },
    onDeserted: (jobId) => consumers.abort(jobId, new CancelledError('nobody waits for the job any more')),
  })
  const runAttempt = deserted.guard(attempts)
  const maxTries = (): number => {
    const { workers, retries } = live.current()
    return Math.max(workers.maxAttempts, ...Object.values(retries.attempts))
  }
  const jobs = createJobRunner({ workerId, maxTries, tokenLog, queue, clock, runAttempt })
  const running = new Set<Promise<unknown>>()
  const startedAt = clock.now()
  let state: 'running' | 'draining' = 'running'
  let forgetChanges: (() => void) | undefined
  let adopting: Promise<void> = Promise.resolve()

  const track = <T>(work: Promise<T>): Promise<T> => {
    running.add(work)
    const forget = (): void => void running.delete(work)
    work.then(forget, forget)
    return work
  }

  const consumers = createConsumers({
    classes: options.classes,
    create: (name, concurrency) =>
      createJobConsumer({
        class: name,
        concurrency,
        lockMs: live.current().workers.lockSeconds * 1000,
        stalledMs: live.current().workers.stalledSeconds * 1000,
        redis,
        keys,
        log,
        clock,
        onRecreated: () => metrics.consumerRecreations.with({ model_class: name }).inc(),
        process: (reference, signal) => track(jobs.process(reference, signal)),
        onAbandoned: (reference, reason) => jobs.abandon(reference, reason),
      }),
  })

  const adopt = (): void => {
    router = createRouter(live.current())
    upstreams.retain(live.current().deployments)
    adopting = adopting
      .then(() => consumers.adopt(live.current()))
      .catch((error: unknown) => log.error({ error }, 'classes-not-adopted'))
  }

  const cancellations = createCancelListener({
    subscriber: options.subscriber,
    keys,
    onCancel: (jobId) => consumers.abort(jobId, new CancelledError('the job was cancelled')),
  })

  const missedCancellations = createMissedCancellations({
    ...{ tokenLog, clock, log },
    running: () => consumers.running(),
    onMissed: (jobId) => consumers.abort(jobId, new CancelledError('the job was cancelled')),
  })

  const registry = createWorkerRegistry({ redis, keys })
  const heartbeat = createPeriodicService({
    name: 'heartbeat',
    intervalMs: beatMs,
    clock,
    log,
    async run() {
      const classes = consumers.state()
      for (const { class: name, inFlight, limit } of classes) {
        const labels = { model_class: name }
        metrics.workerInFlight.with(labels).set(inFlight)
        metrics.workerLimit.with(labels).set(limit)
      }
      await registry.beat(
        {
          id: workerId,
          host: hostname(),
          pid: process.pid,
          gpu,
          classes: classes.map((entry) => entry.class),
          limit: classes.reduce((sum, entry) => sum + entry.limit, 0),
          inFlight: classes.reduce((sum, entry) => sum + entry.inFlight, 0),
          startedAt,
          lastBeatAt: clock.now(),
          state,
          fingerprint: live.current().fingerprint,
        },
        lifetimeMs,
      )
    },
  })
  const checks = createBackgroundChecks({ ...options, router: () => router, upstreams })

  /** Resolves when nothing runs any more, or after `timeoutMs`. */
  const idle = async (timeoutMs: number): Promise<void> => {
    const cut = new AbortController()
    const late = clock.sleep(timeoutMs, cut.signal).catch((): void => {})
    await Promise.race([Promise.allSettled([...running]), late])
    cut.abort()
  }

  const quiet = async (): Promise<void> => {
    state = 'draining'
    await consumers.quiet()
  }

  return createService({
    name: 'worker',
    async start() {
      await cancellations.start()
      // What was loaded since this worker was made; from here on, every change.
      router = createRouter(live.current())
      await consumers.adopt(live.current())
      forgetChanges = live.onChange(adopt)
      await heartbeat.start()
      await deserted.service.start()
      await missedCancellations.start()
      await checks.start()
      log.info({ workerId, classes: consumers.state().map((entry) => entry.class), gpu }, 'worker-started')
    },
    quiet,
    async stop(deadline: Deadline) {
      forgetChanges?.()
      await quiet()
      await adopting
      await checks.stop(deadline)
      await idle(Math.max(0, deadline.timeoutMs - reserveMs))
      consumers.abortAll(new DrainingError('the worker is stopping'))
      await idle(reserveMs / 2)
      await consumers.stop(deadline)
      await missedCancellations.stop(deadline)
      await deserted.service.stop(deadline)
      await heartbeat.stop(deadline)
      await registry.leave(workerId).catch((): void => {})
      await cancellations.stop(deadline)
      await upstreams.close()
    },
  })
}
