import { type Clock, errorMessage } from '@inferq/runtime'
import { ErrorCode, type Job, Worker, type WorkerOptions } from 'bullmq'
import type { BullData } from './bull-jobs.ts'

/** Fetches jobs of one class, several at once. BullMQ's Worker, with what we know of it. */
export interface Fetcher {
  readonly worker: Worker<BullData>
  jobsAtOnce: number
  /** Jobs of its that run. */
  readonly running: number
  /** When it last got a job (or was launched), monotonic ms. */
  readonly fetchedAt: number
  /** It is the one of its consumer that looks for jobs of lost workers. */
  readonly looksForStalled: boolean
  launch(): void
  /** Fetches nothing more; resolves when its jobs have ended and it is closed, wedged though it may be. Never rejects. */
  retire(): Promise<void>
}

export interface FetcherOptions {
  readonly queueName: string
  readonly jobsAtOnce: number
  readonly looksForStalled: boolean
  readonly settings: Omit<WorkerOptions, 'autorun' | 'concurrency' | 'skipStalledCheck'>
  readonly clock: Clock
  process(job: Job<BullData>, token: string | undefined): Promise<void>
  /** BullMQ is done with the job, which has failed (for good when it has `finishedOn`). */
  onFailed(job: Job<BullData> | undefined, error: Error): void
  onLostLocks(bullIds: readonly string[], workerId: string): void
  /** Redis, or the way to it, is in trouble. May come often. */
  onTrouble(error: Error): void
  onStopped(error: unknown): void
}

/** A fetch that Redis refuses (out of memory, a replica) comes back at once, and BullMQ tries again at once. */
const refusedDelayMs = 500
/** How soon a job is tried again that came back while its old run had not ended here. */
export const stillHereDelayMs = 100
/** What a Worker without jobs gets to close itself: one that is wedged, or between two connections, never does. */
const closeMs = 2_000

export function createFetcher(options: FetcherOptions): Fetcher {
  const { clock, looksForStalled } = options
  let running = 0
  let fetchedAt = clock.monotonic()
  let jobsAtOnce = options.jobsAtOnce
  const idle = Promise.withResolvers<void>()
  let retired = false

  const process = async (job: Job<BullData>, token: string | undefined): Promise<void> => {
    fetchedAt = clock.monotonic()
    running++
    try {
      await options.process(job, token)
    } finally {
      if (--running === 0 && retired) idle.resolve()
    }
  }

  const worker = new PatientWorker(options.queueName, process, {
    ...options.settings,
    autorun: false,
    concurrency: jobsAtOnce,
    skipStalledCheck: !looksForStalled,
  })
  worker.on('failed', options.onFailed)
  worker.on('lockRenewalFailed', (bullIds) => options.onLostLocks(bullIds, worker.id))
  worker.on('error', (error) => {
    if (!isOfLostJob(error)) options.onTrouble(error)
  })

  const closeSoonerOrLater = async (): Promise<void> => {
    const closed = worker.close().catch((): void => {})
    const isClosed = await Promise.race([closed.then(() => true), idle.promise.then(() => false)])
    if (isClosed) return
    const cut = new AbortController()
    const late = clock.sleep(closeMs, cut.signal).catch((): void => {})
    await Promise.race([closed, late])
    cut.abort()
    await worker.backend.close(true).catch((): void => {})
  }

  return {
    worker,
    looksForStalled,
    get jobsAtOnce() {
      return jobsAtOnce
    },
    set jobsAtOnce(count) {
      jobsAtOnce = count
      worker.concurrency = count
    },
    get running() {
      return running
    },
    get fetchedAt() {
      return fetchedAt
    },
    launch() {
      fetchedAt = clock.monotonic()
      worker.run().catch(options.onStopped)
    },
    retire() {
      retired = true
      if (running === 0) idle.resolve()
      return closeSoonerOrLater()
    },
  }
}

/** Whether a Redis that answers has refused a command. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

class PatientWorker extends Worker<BullData> {
  /** Jobs of which a run has begun here, until BullMQ is done with that run. */
  readonly #here = new Set<string>()

  /**
   * A job that runs here comes back when its lock was lost and nobody else was there to take it (this process was frozen,
   * say). BullMQ renews the lock of one run of a job only, and forgets it when any of them ends: so the old one ends first.
   */
  override async processJob(
    job: Job<BullData>,
    token: string,
    fetchNextCallback?: () => boolean,
  ): ReturnType<Worker<BullData>['processJob']> {
    const id = job.id ?? ''
    if (this.#here.has(id)) {
      this.emit('lockRenewalFailed', [id])
      // Where this fails too its new lock expires, and it comes back.
      await job.moveToDelayed(Date.now() + stillHereDelayMs, token).catch((error: Error) => this.emit('error', error))
      return
    }
    this.#here.add(id)
    try {
      return await super.processJob(job, token, fetchNextCallback)
    } finally {
      this.#here.delete(id)
    }
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job<BullData>> {
    try {
      return await super.moveToActive(token, name)
    } catch (thrown) {
      if (isRefusal(thrown)) await this.delay(refusedDelayMs)
      throw thrown
    }
  }
}

const lostJobCodes: ReadonlySet<unknown> = new Set([
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobLockMismatch,
  ErrorCode.JobNotInState,
])

/** The job is another's, or Redis has lost it: its attempt is told so by its lock and by its log. */
function isOfLostJob(error: Error): boolean {
  const { code } = error as { readonly code?: unknown }
  // BullMQ says the same once more, without a code, after `lockRenewalFailed`.
  return lostJobCodes.has(code) || errorMessage(error).startsWith('could not renew lock')
}
