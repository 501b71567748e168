import type { Clock } from '@inferq/runtime'
import { Job, type Worker, type WorkerOptions } from 'bullmq'
import type { BullData } from './bull-jobs.ts'
import { closeWorker } from './close-worker.ts'
import { guestToken } from './lock-tokens.ts'
import { isOfLostJob } from './lost-job-errors.ts'
import { type KeepJob, PatientWorker, type ProcessJob } from './patient-worker.ts'

/** Fetches jobs of one class, several at once. BullMQ's Worker, with what we know of it. */
export interface Fetcher {
  readonly worker: Worker<BullData>
  /** 0 for one that is not launched (yet). */
  jobsAtOnce: number
  /** Of its jobs at once, those that it fetches itself: the others are kept for guests, and may be more. */
  readonly places: number
  /** Jobs of its that run. */
  readonly running: number
  /** When it last got a job (or was launched), monotonic ms. */
  readonly fetchedAt: number
  /** It is the one of its consumer that looks for jobs of lost workers. */
  readonly looksForStalled: boolean
  /** A second call does nothing. */
  launch(): void
  /** Looks for jobs of lost workers, if it is the one, and fetches nothing until it is launched. */
  lookOut(): void
  /** Fetches nothing more. */
  quiet(): Promise<void>
  /** Keeps a place for a job that another worker has fetched: one that it fetches itself does not get it. */
  keepPlace(): GuestPlace
  /** Fetches nothing more; resolves when its jobs have ended and it is closed, wedged though it may be. Never rejects. */
  retire(): Promise<void>
}

/** A place for a job that was handed over. To be released, once, whether it was used or not. */
export interface GuestPlace {
  /** Begins with the id of the Worker, as those of the jobs it fetches do. */
  readonly token: string
  /** Runs a job whose lock holds this token like one that was fetched here. Resolves when BullMQ is done with it. */
  run(bullId: string): Promise<void>
  release(): void
}

export interface FetcherOptions {
  readonly queueName: string
  readonly jobsAtOnce: number
  readonly looksForStalled: boolean
  readonly settings: Omit<WorkerOptions, 'autorun' | 'concurrency' | 'skipStalledCheck'>
  readonly clock: Clock
  readonly process: ProcessJob
  /** Default: every job is kept. */
  readonly keep?: KeepJob
  /** BullMQ is done with the job, which has failed (for good when it has `finishedOn`). */
  onFailed(job: Job<BullData> | undefined, error: Error): void
  onLostLocks(bullIds: readonly string[], workerId: string): void
  /** Redis, or the way to it, is in trouble. May come often. */
  onTrouble(error: Error): void
  onStopped(error: unknown): void
}

export function createFetcher(options: FetcherOptions): Fetcher {
  const { clock, looksForStalled } = options
  let running = 0
  let fetchedAt = clock.monotonic()
  let jobsAtOnce = options.jobsAtOnce
  const idle = Promise.withResolvers<void>()
  let retired = false
  let launched = false
  let quieted = false
  /** Places kept for others' jobs. */
  let guests = 0
  let guestCount = 0
  const guestsGone = Promise.withResolvers<void>()

  const process: ProcessJob = async (job, token) => {
    fetchedAt = clock.monotonic()
    running++
    try {
      await options.process(job, token)
    } finally {
      if (--running === 0 && retired) idle.resolve()
    }
  }

  const worker = new PatientWorker(
    options.queueName,
    process,
    {
      ...options.settings,
      autorun: false,
      concurrency: Math.max(1, jobsAtOnce),
      skipStalledCheck: !looksForStalled,
    },
    options.keep,
  )
  worker.on('failed', options.onFailed)
  worker.on('lockRenewalFailed', (bullIds) => options.onLostLocks(bullIds, worker.id))
  worker.on('error', (error) => {
    if (!isOfLostJob(error)) options.onTrouble(error)
  })

  /**
   * A Worker that is full only waits for one of its jobs to end. Resuming is what makes it look again; both calls in one turn,
   * so that its loop never sees it paused, and ends.
   */
  const notice = (): void => {
    if (worker.isPaused()) return
    void worker.pause(true)
    void worker.resume()
  }

  /** Whether it went on because of this. */
  const limitFetching = (): boolean => {
    const places = jobsAtOnce - guests
    worker.concurrency = Math.max(1, places)
    if (!launched || quieted || retired) return false
    if (places < 1) void worker.pause(true)
    else if (worker.isPaused()) return resume()
    return false
  }

  const resume = (): boolean => {
    void worker.resume()
    // A loop that had seen it paused, and was about to end, is not begun anew by that.
    setImmediate(() => {
      if (retired || quieted || worker.isPaused() || worker.isRunning()) return
      worker.run().catch(options.onStopped)
    })
    return true
  }

  return {
    worker,
    looksForStalled,
    get jobsAtOnce() {
      return jobsAtOnce
    },
    set jobsAtOnce(count) {
      const roomIsNew = count > jobsAtOnce && running >= jobsAtOnce
      jobsAtOnce = count
      if (!limitFetching() && roomIsNew && launched) notice()
    },
    get places() {
      return jobsAtOnce - guests
    },
    get running() {
      return running
    },
    get fetchedAt() {
      return fetchedAt
    },
    launch() {
      if (launched) return
      launched = true
      fetchedAt = clock.monotonic()
      worker.run().catch(options.onStopped)
    },
    lookOut() {
      worker.startStalledCheckTimer().catch(options.onTrouble)
    },
    async quiet() {
      quieted = true
      await worker.pause(true)
    },
    keepPlace() {
      guests++
      limitFetching()
      const token = guestToken(worker.id, guestCount++)
      return {
        token,
        async run(bullId) {
          const job = await Job.fromId<BullData>(worker, bullId)
          if (job !== undefined) await worker.processGuest(job, token)
        },
        release() {
          guests--
          if (guests === 0 && retired) guestsGone.resolve()
          else if (!limitFetching() && launched && !retired) notice()
        },
      }
    },
    async retire() {
      retired = true
      if (running === 0) idle.resolve()
      if (guests > 0) {
        // Closing does not wait for them.
        void worker.pause(true)
        await guestsGone.promise
      }
      await closeWorker(worker, idle.promise, clock)
    },
  }
}
