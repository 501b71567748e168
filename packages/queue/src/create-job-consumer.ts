import type { RedisKeys } from '@inferq/contracts'
import { type Clock, createService, createSystemClock, errorMessage, type Log } from '@inferq/runtime'
import { DelayedError, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { type BullData, deliveryOf, readData } from './bull-jobs.ts'
import { createFetcher, type Fetcher, isGuest, stillHereDelayMs } from './fetcher.ts'
import { createGuests } from './guests.ts'
import { type ConsumeOptions, type JobConsumer, LostLockError, type Placing, type ProcessResult } from './job-queue.ts'
import { createOffers, type JobHandover } from './offers.ts'
import { createProgressWatch, type ProgressWatchOptions } from './progress-watch.ts'
import { createQuietWarning } from './quiet-warning.ts'
import { spreadLimit } from './spread-limit.ts'

export interface JobConsumerOptions extends ConsumeOptions {
  /** Commands of all consumers of this process; `maxRetriesPerRequest: null`, as BullMQ wants it. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly placing: Pick<Placing, 'placeOf'>
  readonly log: Log
  /** Default: the system's. */
  readonly clock?: Clock
  /** When a fetcher with room and a backlog counts as wedged. */
  readonly watch?: Pick<ProgressWatchOptions, 'everyMs' | 'stuckMs'>
  /** Jobs that another worker should rather run are offered to it, and those that others offer are run here. */
  readonly handover?: JobHandover
  /** A fetcher was wedged, and another one has taken its place. */
  onRecreated?(): void
}

/**
 * BullMQ fetches one job per round trip and Worker, so a wide class is served by several. All share one connection for
 * commands; each has one of its own to wait on.
 */
const jobsPerFetcher = 8
const maxFetchers = 8
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

interface Run {
  readonly bullId: string
  /** Begins with the id of the BullMQ Worker that holds the lock. */
  readonly token: string
  readonly controller: AbortController
}

/** The consuming side of one class over BullMQ. */
export function createJobConsumer(options: JobConsumerOptions): JobConsumer {
  const { redis, keys, log, clock = createSystemClock() } = options
  let { concurrency } = options
  const running = new Map<string, Run>()
  const fetchers: Fetcher[] = []
  /** Fetchers that there is no use for any more, until their jobs have ended. */
  const leaving = new Map<Fetcher, Promise<void>>()
  const warnOfTrouble = createQuietWarning(log, clock, 'consumer-error')
  let quieted = false
  let stopListening: (() => void) | undefined

  const process = async (job: Job<BullData>, token: string | undefined): Promise<void> => {
    const result = refuse(job, token) ?? (await run(job, token))
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
    if (quieted || concurrency === 0) return { kind: 'again', delayMs: 0 }
    const bullId = job.id ?? ''
    if (isGuest(token)) guests?.onBegun(bullId)
    else if (guests?.isFull()) return { kind: 'again', delayMs: 0 }
    if (!abortRun(bullId)) return undefined
    return { kind: 'again', delayMs: stillHereDelayMs }
  }

  const run = async (job: Job<BullData>, token = ''): Promise<ProcessResult> => {
    const bullId = job.id ?? ''
    const reference = deliveryOf(bullId, job.name, job.data, options.class)
    const controller = new AbortController()
    running.set(reference.jobId, { bullId, token, controller })
    try {
      return await options.process(reference, controller.signal)
    } catch (error) {
      log.error({ jobId: reference.jobId, class: options.class, error }, 'job-processing-failed')
      await keepPlace(job).catch((): void => {})
      throw error
    } finally {
      if (running.get(reference.jobId)?.controller === controller) running.delete(reference.jobId)
      guests?.onRoom()
    }
  }

  const lockKey = (bullId: string): string =>
    `${keys.queuePrefix(options.class)}:${keys.queueName(options.class)}:${bullId}:lock`
  const offers =
    options.handover &&
    createOffers({
      ...options.handover,
      class: options.class,
      lockMs: options.lockMs,
      lockKey,
      onTrouble: warnOfTrouble,
    })
  const guests =
    options.handover &&
    createGuests({
      handover: options.handover.handover,
      lockMs: options.lockMs,
      lockKey,
      fetchers: () => fetchers,
      limit: () => (quieted ? 0 : concurrency),
      running: () => running.size,
      clock,
      log,
    })

  const abort = (jobId: string, reason: Error): boolean => {
    const found = running.get(jobId)
    found?.controller.abort(reason)
    return found !== undefined
  }

  /** Tells the run of this very place in the queue, if it is here (and this Worker's), that its lock is lost. */
  const abortRun = (bullId: string, workerId = ''): boolean => {
    const found = running.get(bullId.slice(0, bullId.lastIndexOf('-')))
    if (found?.bullId !== bullId || !found.token.startsWith(workerId)) return false
    found.controller.abort(new LostLockError(`the lock of ${bullId} is lost`))
    return true
  }

  const onFailed = (job: Job<BullData> | undefined, error: Error): void => {
    if (job === undefined || job.finishedOn === undefined) return
    const reference = deliveryOf(job.id ?? '', job.name, job.data, options.class)
    options.onAbandoned(reference, error.message).catch((failure: unknown) => {
      log.error({ jobId: reference.jobId, error: failure }, 'abandoned-job-not-ended')
    })
  }

  const addFetcher = (jobsAtOnce: number, looksForStalled: boolean): Fetcher =>
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
        for (const bullId of bullIds) abortRun(bullId, workerId)
      },
      onTrouble: (error) => warnOfTrouble({ class: options.class, error: errorMessage(error) }),
      onStopped: (error) => log.error({ class: options.class, error }, 'consumer-failed'),
    })

  const retire = (fetcher: Fetcher): void => {
    leaving.set(
      fetcher,
      fetcher.retire().then(() => void leaving.delete(fetcher)),
    )
  }

  /** Its jobs go on where they are. */
  const recreate = (stuck: Fetcher, facts: object): void => {
    const place = fetchers.indexOf(stuck)
    if (quieted || place < 0) return
    log.warn({ class: options.class, running: stuck.running, ...facts }, 'consumer-recreated')
    const fetcher = addFetcher(stuck.jobsAtOnce, stuck.looksForStalled)
    fetchers[place] = fetcher
    retire(stuck)
    fetcher.launch()
    options.onRecreated?.()
  }

  const watch = createProgressWatch({
    ...options.watch,
    name: `progress ${options.class}`,
    clock,
    log,
    fetchers: () => (quieted ? [] : fetchers),
    async backlog() {
      const [worker] = fetchers.map((fetcher) => fetcher.worker)
      if (worker === undefined) return 0
      const [waiting, prioritized] = await Promise.all([
        redis.llen(worker.toKey('wait')),
        redis.zcard(worker.toKey('prioritized')),
      ])
      return waiting + prioritized
    },
    onStuck: recreate,
  })

  /** None goes for a limit that is a little lower now: each is a connection. */
  const countOf = (jobsAtOnce: number): number =>
    Math.max(Math.min(maxFetchers, Math.ceil(jobsAtOnce / jobsPerFetcher)), Math.min(fetchers.length, jobsAtOnce))
  const begin = (fetcher: Fetcher): void => {
    if (fetcher.jobsAtOnce > 0) fetcher.launch()
    else fetcher.lookOut()
  }

  const service = createService({
    name: `consumer ${options.class}`,
    async start() {
      const count = Math.max(1, countOf(concurrency))
      const shares = spreadLimit(concurrency, Array(count).fill(0))
      for (const [place, share] of shares.entries()) fetchers.push(addFetcher(share, place === 0))
      await Promise.all(fetchers.map(({ worker }) => worker.waitUntilReady()))
      fetchers.forEach(begin)
      await watch.start()
      if (guests !== undefined) stopListening = options.handover?.handover.listen(options.class, guests.take)
    },
    async quiet() {
      quieted = true
      await Promise.all(fetchers.map((fetcher) => fetcher.quiet()))
    },
    async stop(deadline) {
      quieted = true
      stopListening?.()
      await watch.stop(deadline)
      const closed = Promise.all([...leaving.values(), ...fetchers.map((fetcher) => fetcher.retire())])
      const late = new Promise<'late'>((resolve) => {
        if (deadline.signal.aborted) resolve('late')
        else deadline.signal.addEventListener('abort', () => resolve('late'), { once: true })
      })
      if ((await Promise.race([closed, late])) === 'late') {
        await Promise.all([...leaving.keys(), ...fetchers].map(({ worker }) => worker.backend.close(true)))
      }
    },
  })

  return {
    ...service,
    quiet: async () => service.quiet?.(),
    abort,
    abortAll(reason) {
      for (const { controller } of running.values()) controller.abort(reason)
    },
    resize(jobsAtOnce) {
      if (jobsAtOnce === concurrency) return
      concurrency = jobsAtOnce
      if (quieted || fetchers.length === 0) return
      const count = countOf(concurrency)
      for (const fetcher of fetchers.splice(count)) retire(fetcher)
      // Nothing may be taken: one that only looks for jobs of lost workers, and fetches at once when it is launched.
      if (count === 0) fetchers.push(addFetcher(0, true))
      while (fetchers.length < count) fetchers.push(addFetcher(0, false))
      const shares = fetchers.map((fetcher) => fetcher.jobsAtOnce)
      for (const [place, share] of spreadLimit(concurrency, shares).entries()) {
        const fetcher = fetchers[place]
        if (fetcher === undefined) continue
        fetcher.jobsAtOnce = share
        begin(fetcher)
      }
    },
    get inFlight() {
      return running.size
    },
    get runningJobs() {
      return [...running.keys()]
    },
  }
}
