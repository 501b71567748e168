import type { RedisKeys } from '@inferq/contracts'
import { createService } from '@inferq/runtime'
import { DelayedError, type Job, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { type BullData, referenceOf } from './bull-jobs.ts'
import { type ConsumeOptions, type JobConsumer, LostLockError, type ProcessResult } from './job-queue.ts'

export interface JobConsumerOptions extends ConsumeOptions {
  /** Commands of all consumers of this process; `maxRetriesPerRequest: null`, as BullMQ wants it. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly log: { warn(fields: object, event: string): void; error(fields: object, event: string): void }
}

/**
 * BullMQ fetches one job per round trip and Worker, so a wide class is served by several. All share one connection for
 * commands; each has one of its own to wait on.
 */
const jobsPerFetcher = 8
const maxFetchers = 8
/** Bounds a wait for work, not a poll: a new job wakes a waiting Worker at once. */
const waitSeconds = 30
/** A lost worker is no fault of the job: the bound is the token log's count of tries, which ends a job with an outcome. */
const maxStalls = 1_000
/**
 * Going back is always a delay, if a short one: BullMQ's own way back to `wait` wakes no idle worker when the job has a
 * priority, as all of ours have.
 */
const shortestDelayMs = 1

/** The consuming side of one class over BullMQ. */
export function createJobConsumer(options: JobConsumerOptions): JobConsumer {
  const { redis, keys, log } = options
  let { concurrency } = options
  const running = new Map<string, AbortController>()
  const fetchers: Worker<BullData>[] = []
  /** Fetchers that a smaller consumer has no use for, until their jobs have ended. */
  const leaving = new Set<Promise<void>>()
  let quieted = false

  const process = async (job: Job<BullData>, token: string | undefined): Promise<void> => {
    const result = quieted ? ({ kind: 'again', delayMs: 0 } as const) : await run(job)
    if (result.kind === 'done') return
    await job.moveToDelayed(Date.now() + Math.max(result.delayMs, shortestDelayMs), token)
    throw new DelayedError()
  }

  const run = async (job: Job<BullData>): Promise<ProcessResult> => {
    const reference = referenceOf(job.id ?? '', job.name, job.data, options.class)
    const controller = new AbortController()
    running.set(reference.jobId, controller)
    try {
      return await options.process(reference, controller.signal)
    } catch (error) {
      log.error({ jobId: reference.jobId, class: options.class, error }, 'job-processing-failed')
      throw error
    } finally {
      if (running.get(reference.jobId) === controller) running.delete(reference.jobId)
    }
  }

  const abort = (jobId: string, reason: Error): boolean => {
    const controller = running.get(jobId)
    controller?.abort(reason)
    return controller !== undefined
  }

  const onFailed = (job: Job<BullData> | undefined, error: Error): void => {
    if (job === undefined || job.finishedOn === undefined) return
    const reference = referenceOf(job.id ?? '', job.name, job.data, options.class)
    options.onAbandoned(reference, error.message).catch((failure: unknown) => {
      log.error({ jobId: reference.jobId, error: failure }, 'abandoned-job-not-ended')
    })
  }

  const createFetcher = (jobsAtOnce: number, looksForStalled: boolean): Worker<BullData> => {
    const fetcher = new Worker<BullData>(keys.queueName(options.class), process, {
      connection: redis,
      prefix: keys.queuePrefix(options.class),
      autorun: false,
      concurrency: jobsAtOnce,
      lockDuration: options.lockMs,
      stalledInterval: options.stalledMs,
      maxStalledCount: maxStalls,
      skipStalledCheck: !looksForStalled,
      drainDelay: waitSeconds,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
      runRetryDelay: 1_000,
    })
    fetcher.on('error', (error) => log.warn({ class: options.class, error: error.message }, 'consumer-error'))
    fetcher.on('failed', onFailed)
    fetcher.on('lockRenewalFailed', (ids) => {
      for (const id of ids) abort(id.slice(0, id.lastIndexOf('-')), new LostLockError(`the lock of ${id} is lost`))
    })
    return fetcher
  }

  const countOf = (jobsAtOnce: number): number => Math.min(maxFetchers, Math.ceil(jobsAtOnce / jobsPerFetcher))
  /** Jobs at once of the fetcher at `place` of `count`. */
  const shareOf = (place: number, count: number): number =>
    Math.floor(concurrency / count) + (place < concurrency % count ? 1 : 0)

  const launch = (fetcher: Worker<BullData>): void => {
    fetcher.run().catch((error: unknown) => log.error({ class: options.class, error }, 'consumer-failed'))
  }

  const service = createService({
    name: `consumer ${options.class}`,
    async start() {
      const count = countOf(concurrency)
      for (let i = 0; i < count; i++) fetchers.push(createFetcher(shareOf(i, count), i === 0))
      await Promise.all(fetchers.map((fetcher) => fetcher.waitUntilReady()))
      for (const fetcher of fetchers) launch(fetcher)
    },
    async quiet() {
      quieted = true
      await Promise.all(fetchers.map((fetcher) => fetcher.pause(true)))
    },
    async stop(deadline) {
      quieted = true
      const closed = Promise.all([...leaving, ...fetchers.map((fetcher) => fetcher.close())])
      const late = new Promise<'late'>((resolve) => {
        if (deadline.signal.aborted) resolve('late')
        else deadline.signal.addEventListener('abort', () => resolve('late'), { once: true })
      })
      if ((await Promise.race([closed, late])) === 'late') {
        await Promise.all(fetchers.map((fetcher) => fetcher.backend.close(true)))
      }
    },
  })

  return {
    ...service,
    quiet: async () => service.quiet?.(),
    abort,
    abortAll(reason) {
      for (const controller of running.values()) controller.abort(reason)
    },
    resize(jobsAtOnce) {
      if (jobsAtOnce === concurrency) return
      concurrency = jobsAtOnce
      if (quieted || fetchers.length === 0) return
      const count = countOf(concurrency)
      for (const fetcher of fetchers.splice(count)) {
        const left = fetcher.close().catch((error: unknown) => {
          log.warn({ class: options.class, error }, 'fetcher-not-closed')
        })
        leaving.add(left)
        left.finally(() => leaving.delete(left))
      }
      fetchers.forEach((fetcher, place) => {
        fetcher.concurrency = shareOf(place, count)
      })
      while (fetchers.length < count) {
        const fetcher = createFetcher(shareOf(fetchers.length, count), false)
        fetchers.push(fetcher)
        launch(fetcher)
      }
    },
    get inFlight() {
      return running.size
    },
  }
}
