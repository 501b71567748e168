import { type Clock, errorMessage } from '@inferq/runtime'
import { ErrorCode, Job, Worker, type WorkerOptions } from 'bullmq'
import type { BullData } from './bull-jobs.ts'

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
  process(job: Job<BullData>, token: string | undefined): Promise<void>
  /**
   * Asked for each job that was fetched under `token`, with another token it may take instead: gives that of its lock from now
   * on, or null when another worker has the job. Never rejects.
   */
  readonly keep?: (job: Job<BullData>, token: string, ownToken: string) => Promise<string | null>
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

const guestMark = ':guest'

/** Whether this is the token of a job that was handed over. */
export function isGuest(token: string): boolean {
  return token.includes(guestMark)
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

  const process = async (job: Job<BullData>, token: string | undefined): Promise<void> => {
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
    if (places < 1 && guests > 0) void worker.pause(true)
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
      const token = `${worker.id}${guestMark}${guestCount++}`
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
      await closeSoonerOrLater()
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
  readonly #keep: FetcherOptions['keep']
  #kept = 0

  constructor(
    name: string,
    process: (job: Job<BullData>, token: string | undefined) => Promise<void>,
    settings: WorkerOptions,
    keep: FetcherOptions['keep'],
  ) {
    super(name, process, settings)
    this.#keep = keep
  }

  /**
   * A job that runs here comes back when its lock was lost and nobody else was there to take it (this process was frozen,
   * say). BullMQ renews the lock of one run of a job only, and forgets it when any of them ends: so the old one ends first.
   */
  override async processJob(
    job: Job<BullData>,
    token: string,
    fetchNextCallback?: () => boolean,
  ): ReturnType<Worker<BullData>['processJob']> {
    return this.#once(job, token, async () => {
      const kept = this.#keep === undefined ? token : await this.#keep(job, token, `${this.id}:kept${this.#kept++}`)
      return kept === null ? undefined : await super.processJob(job, kept, fetchNextCallback)
    })
  }

  /** A job whose lock was another Worker's. Nothing else is fetched in its place. */
  async processGuest(job: Job<BullData>, token: string): Promise<void> {
    await this.#once(job, token, () => super.processJob(job, token, () => false))
  }

  async #once(
    job: Job<BullData>,
    token: string,
    process: () => ReturnType<Worker<BullData>['processJob']>,
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
      return await process()
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
