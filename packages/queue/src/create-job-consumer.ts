import type { RedisKeys } from '@inferq/contracts'
import { type Clock, createService, createSystemClock, errorMessage, type Log } from '@inferq/runtime'
import { DelayedError, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { type BullData, deliveryOf, readData } from './bull-jobs.ts'
import { createConsumerLane, type DirectStarts } from './direct/consumer-lane.ts'
import { createFetcher, type Fetcher } from './fetcher.ts'
import { createFetcherPool, type FetcherPoolOptions } from './fetcher-pool.ts'
import { createGuests } from './guests.ts'
import type { ConsumeOptions, JobConsumer, Placing, ProcessResult } from './job-queue.ts'
import { createJobRuns } from './job-runs.ts'
import { isGuest } from './lock-tokens.ts'
import { createOffers, type JobHandover } from './offers.ts'
import { type ProcessJob, stillHereDelayMs } from './patient-worker.ts'
import { createQuietWarning } from './quiet-warning.ts'

export interface JobConsumerOptions extends ConsumeOptions {
  /** Commands of all consumers of this process; `maxRetriesPerRequest: null`, as BullMQ wants it. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly placing: Pick<Placing, 'placeOf'>
  readonly log: Log
  /** Default: the system's. */
  readonly clock?: Clock
  /** When a fetcher with room and a backlog counts as wedged. */
  readonly watch?: FetcherPoolOptions['watch']
  /** Jobs that another worker should rather run are offered to it, and those that others offer are run here. */
  readonly handover?: JobHandover
  /** Jobs that need not wait in line are started here directly. */
  readonly direct?: DirectStarts
  /** A fetcher was wedged, and another one has taken its place. */
  onRecreated?(): void
}

/**
 * A new job wakes one waiting Worker at once. Where that is one of a node that was just cut off, whose connection Redis still
 * believes in, nobody is woken: so everybody looks by themselves this often (a fetch that finds nothing).
 */
const waitSeconds = 1
/** After a fetch, or an end of a job, that found no Redis. */
const retryDelayMs = 250
/** A lost worker is no fault of the job: the bound is the token log's count of tries, which ends a job with an outcome. */
const maxStalls = 1_000
/**
 * Going back is always a delay, if a short one: BullMQ's own way back to `wait` wakes no idle worker when the job has a
 * priority, as all of ours have.
 */
const shortestDelayMs = 1

/** The consuming side of one class over BullMQ. */
export function createJobConsumer(options: JobConsumerOptions): JobConsumer {
  const { redis, keys, log, clock = createSystemClock() } = options
  const warnOfTrouble = createQuietWarning(log, clock, 'consumer-error')
  const runs = createJobRuns(() => guests?.onRoom())

  const process: ProcessJob = async (job, token) => {
    const result = refuse(job, token) ?? (await runInRoom(job, token))
    if (result.kind === 'done') return
    await keepPlace(job)
    await job.moveToDelayed(Date.now() + Math.max(result.delayMs, shortestDelayMs), token)
    throw new DelayedError()
  }

  /** A job goes back to where it stood: while it ran the class may have been numbered anew. */
  const keepPlace = async (job: Job<BullData>): Promise<void> => {
    const priority = options.placing.placeOf(options.class, readData(job.data).at)
    if (priority !== job.priority) await job.changePriority({ priority })
  }

  /** A job whose old run, of another fetcher, has not ended here: that one has lost its lock, and ends first. */
  const refuse = (job: Job<BullData>, token = ''): ProcessResult | undefined => {
    if (pool.limit === 0) return { kind: 'again', delayMs: 0 }
    const bullId = job.id ?? ''
    if (isGuest(token)) guests?.onBegun(bullId)
    else if (guests?.isFull()) return { kind: 'again', delayMs: 0 }
    return runs.loseLock(bullId) ? { kind: 'again', delayMs: stillHereDelayMs } : undefined
  }

  const runInRoom = async (job: Job<BullData>, token?: string): Promise<ProcessResult> => {
    if (lane === undefined) return run(job, token)
    if (!(await lane.enter())) return { kind: 'again', delayMs: 0 }
    try {
      return await run(job, token)
    } finally {
      lane.leave()
    }
  }

  const run = async (job: Job<BullData>, token = ''): Promise<ProcessResult> => {
    const bullId = job.id ?? ''
    const reference = deliveryOf(bullId, job.name, job.data, options.class)
    return runs.run(bullId, token, async (signal) => {
      try {
        return await options.process(reference, signal)
      } catch (error) {
        log.error({ jobId: reference.jobId, class: options.class, error }, 'job-processing-failed')
        await keepPlace(job).catch((): void => {})
        throw error
      }
    })
  }

  const onFailed = (job: Job<BullData> | undefined, error: Error): void => {
    if (job === undefined || job.finishedOn === undefined) return
    const reference = deliveryOf(job.id ?? '', job.name, job.data, options.class)
    options.onAbandoned(reference, error.message).catch((failure: unknown) => {
      log.error({ jobId: reference.jobId, error: failure }, 'abandoned-job-not-ended')
    })
  }

  const create = (jobsAtOnce: number, looksForStalled: boolean): Fetcher =>
    createFetcher({
      queueName: keys.queueName(options.class),
      jobsAtOnce,
      looksForStalled,
      settings: {
        connection: redis,
        prefix: keys.queuePrefix(options.class),
        lockDuration: options.lockMs,
        stalledInterval: options.stalledMs,
        maxStalledCount: maxStalls,
        drainDelay: waitSeconds,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
        runRetryDelay: retryDelayMs,
      },
      clock,
      process,
      ...(offers === undefined ? {} : { keep: offers.keep }),
      onFailed,
      onLostLocks(bullIds, workerId) {
        for (const bullId of bullIds) runs.loseLock(bullId, workerId)
      },
      onTrouble: (error) => warnOfTrouble({ class: options.class, error: errorMessage(error) }),
      onStopped: (error) => log.error({ class: options.class, error }, 'consumer-failed'),
    })

  const pool = createFetcherPool({
    ...{ class: options.class, limit: options.concurrency, watch: options.watch },
    ...{ redis, clock, log, create, onRecreated: options.onRecreated },
  })

  const lockKey = (bullId: string): string =>
    `${keys.queuePrefix(options.class)}:${keys.queueName(options.class)}:${bullId}:lock`
  const shared = { class: options.class, lockMs: options.lockMs, lockKey }
  const offers = options.handover && createOffers({ ...options.handover, ...shared, onTrouble: warnOfTrouble })
  const guests =
    options.handover &&
    createGuests({
      ...shared,
      handover: options.handover.handover,
      fetchers: () => pool.fetchers,
      limit: () => pool.limit,
      running: () => runs.size,
      clock,
      log,
    })
  const lane = options.direct && createConsumerLane({ ...options, ...options.direct, clock, runs, pool })
  let stopListening: (() => void) | undefined

  const service = createService({
    name: `consumer ${options.class}`,
    async start() {
      await pool.start()
      if (guests !== undefined) stopListening = options.handover?.handover.listen(options.class, guests.take)
      await lane?.start()
    },
    async quiet() {
      await Promise.all([pool.quiet(), lane?.quiet()])
    },
    async stop(deadline) {
      stopListening?.()
      await lane?.stop(deadline)
      await pool.stop(deadline)
    },
  })

  return {
    ...service,
    quiet: async () => service.quiet?.(),
    abort: runs.abort,
    abortAll: runs.abortAll,
    resize(concurrency) {
      pool.resize(concurrency)
      lane?.onLimit()
    },
    get inFlight() {
      return runs.size
    },
    get runningJobs() {
      return runs.jobIds
    },
  }
}
