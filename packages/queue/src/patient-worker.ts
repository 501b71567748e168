import { type Job, Worker, type WorkerOptions } from 'bullmq'
import type { BullData } from './bull-jobs.ts'
import { keptToken } from './lock-tokens.ts'

/**
 * Asked for each job that was fetched under `token`, with another token it may take instead: gives that of its lock from now
 * on, or null when another worker has the job. Never rejects.
 */
export type KeepJob = (job: Job<BullData>, token: string, ownToken: string) => Promise<string | null>

export type ProcessJob = (job: Job<BullData>, token: string | undefined) => Promise<void>

/** How soon a job is tried again that came back while its old run had not ended here. */
export const stillHereDelayMs = 100

/** A fetch that Redis refuses (out of memory, a replica) comes back at once, and BullMQ tries again at once. */
const refusedDelayMs = 500

/**
 * BullMQ's Worker, which runs a job once at a time, asks whose job it is before it runs it, takes jobs of others, and waits
 * before it asks a Redis again that has refused it.
 */
export class PatientWorker extends Worker<BullData> {
  /** Jobs of which a run has begun here, until BullMQ is done with that run. */
  readonly #here = new Set<string>()
  readonly #keep: KeepJob | undefined
  #kept = 0

  constructor(name: string, process: ProcessJob, settings: WorkerOptions, keep: KeepJob | undefined) {
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
      const kept = this.#keep === undefined ? token : await this.#keep(job, token, keptToken(this.id, this.#kept++))
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

/** Whether a Redis that answers has refused a command. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}
