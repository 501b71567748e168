import type { RedisKeys } from '@inferq/contracts'
import type { DeploymentHealth } from '@inferq/health'
import type { LiveConfig } from '@inferq/liveconfig'
import {
  createCancelListener,
  createStarts,
  createWorkerRegistry,
  type JobQueue,
  type WorkerRegistration,
} from '@inferq/queue'
import { createRouter } from '@inferq/routing'
import { type Clock, createService, type Deadline, type Redis, type Service } from '@inferq/runtime'
import type { Shares } from '@inferq/shares'
import type { InferqMetrics, Logger } from '@inferq/telemetry'
import type { TokenLog } from '@inferq/tokenlog'
import { createAffinity } from './affinity/create-affinity.ts'
import { createAttemptReport } from './attempt-report.ts'
import { createBackgroundChecks } from './background-checks.ts'
import { createClassConsumer } from './class-consumer.ts'
import { createConsumers } from './consumers.ts'
import { createDesertedJobs } from './deserted-jobs.ts'
import { createDrainOrders } from './drain-orders.ts'
import { createGate } from './gate/create-gate.ts'
import { createHeartbeat } from './heartbeat.ts'
import { createMissedCancellations } from './missed-cancellations.ts'
import { createAttemptRunner } from './run-attempt.ts'
import { createJobRunner } from './run-job.ts'
import { createRunningWork } from './running-work.ts'
import { createShareReport } from './share-report.ts'
import { createModelClaims } from './sticky/model-claims.ts'
import { createStickyModels } from './sticky/sticky-models.ts'
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
  /** The queue goes by them; started by whoever made them. */
  readonly shares: Shares
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly metrics: InferqMetrics
}

export interface Worker extends Service {
  activity(): WorkerActivity
  /** Resolves when nothing runs any more, true, or after `timeoutMs`, false. It is `quiet` that makes it take nothing new. */
  drained(timeoutMs: number): Promise<boolean>
}

/** What it does at this moment. */
export interface WorkerActivity {
  readonly inFlight: number
  /** When the oldest of them was begun here, ms epoch; null when nothing runs. */
  readonly oldestAt: number | null
  readonly state: WorkerRegistration['state']
}

const beatMs = 3_000
/** What is left of the stop's deadline for putting back what did not end in time. */
const reserveMs = 2_000

/**
 * Takes jobs of its classes and runs them; while it is told to drain it takes nothing new. `quiet`: takes nothing new, for
 * good. `stop`: lets running jobs end until shortly before the deadline, then puts the rest back without counting an attempt.
 */
export function createWorker(options: WorkerOptions): Worker {
  const { workerId, live, redis, keys, tokenLog, queue, shares, clock, log, metrics } = options
  const upstreams = createUpstreams((error) => log.warn({ error }, 'upstream-not-closed'))
  let router = createRouter(live.current())
  const gate = createGate({
    ...options,
    config: () => live.current(),
    upstreams,
    // Made further down, of what needs the gate.
    consumers: { cap: (...cap) => consumers.cap(...cap), state: () => consumers.state() },
  })
  const affinity = createAffinity({ ...options, config: () => live.current() })
  const reports = [createAttemptReport(log, metrics), affinity.report, createShareReport(shares), gate.report]
  const attempts = createAttemptRunner({
    ...options,
    config: () => live.current(),
    router: () => router,
    upstreams,
    gate,
    report(facts) {
      for (const report of reports) report(facts)
    },
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
  const jobs = createJobRunner({ workerId, maxTries, tokenLog, queue, shares, clock, runAttempt })
  const work = createRunningWork(clock)
  let isQuiet = false
  let isToldToDrain = false
  let forgetChanges: (() => void) | undefined
  let adopting: Promise<void> = Promise.resolve()

  const starts = createStarts(options)
  const consumers = createConsumers({
    classes: options.classes,
    create: createClassConsumer({ ...options, starts, affinity, jobs, work }),
  })

  const sticky = createStickyModels({
    ...options,
    config: () => live.current(),
    consumers,
    claims: createModelClaims(redis, keys, workerId),
  })

  const adopt = (): void => {
    router = createRouter(live.current())
    sticky.adopt(live.current())
    gate.adopt(live.current())
    upstreams.retain(live.current().deployments)
    adopting = adopting
      .then(() => affinity.adopt(live.current()))
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
  const stateNow = (): WorkerRegistration['state'] => {
    if (!isQuiet && !isToldToDrain) return 'running'
    return work.count === 0 ? 'drained' : 'draining'
  }
  const orders = createDrainOrders({
    ...{ workerId, registry, subscriber: options.subscriber, keys, clock, log, everyMs: beatMs },
    onChange(drain) {
      isToldToDrain = drain
      consumers.hold(drain)
    },
  })
  const heartbeat = createHeartbeat({
    ...options,
    ...{ registry, consumers, gate, sticky, everyMs: beatMs },
    state: stateNow,
  })
  const checks = createBackgroundChecks({ ...options, router: () => router, upstreams })

  const quiet = async (): Promise<void> => {
    isQuiet = true
    await consumers.quiet()
  }

  const service = createService({
    name: 'worker',
    async start() {
      await cancellations.start()
      // What was loaded since this worker was made; from here on, every change.
      router = createRouter(live.current())
      await orders.start()
      sticky.adopt(live.current())
      gate.adopt(live.current())
      await affinity.start()
      await starts.start()
      await consumers.adopt(live.current())
      await sticky.start()
      await gate.service.start()
      forgetChanges = live.onChange(adopt)
      await heartbeat.start()
      await deserted.service.start()
      await missedCancellations.start()
      await checks.start()
      log.info({ workerId, classes: consumers.state().map((entry) => entry.class), gpu: options.gpu }, 'worker-started')
    },
    quiet,
    async stop(deadline: Deadline) {
      forgetChanges?.()
      await quiet()
      await adopting
      await sticky.stop(deadline)
      await gate.service.stop(deadline)
      await checks.stop(deadline)
      await work.idle(Math.max(0, deadline.timeoutMs - reserveMs))
      consumers.abortAll(new DrainingError('the worker is stopping'))
      await work.idle(reserveMs / 2)
      await consumers.stop(deadline)
      await starts.stop(deadline)
      await affinity.stop(deadline)
      await missedCancellations.stop(deadline)
      await deserted.service.stop(deadline)
      await orders.stop(deadline)
      await heartbeat.stop(deadline)
      await registry.leave(workerId).catch((): void => {})
      await cancellations.stop(deadline)
      await upstreams.close()
    },
  })

  return {
    ...service,
    activity: () => ({ inFlight: work.count, oldestAt: work.oldestAt, state: stateNow() }),
    async drained(timeoutMs) {
      await work.idle(timeoutMs)
      return work.count === 0
    },
  }
}
