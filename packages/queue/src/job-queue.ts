import type { JobType, Tier } from '@inferq/contracts'
import type { Service } from '@inferq/runtime'

/** What the queue carries of a job: a reference. The job itself is in its record (tokenlog). */
export interface JobReference {
  readonly jobId: string
  readonly hop: number
  readonly type: JobType
  readonly class: string
  readonly tier: Tier
}

export type RemoveResult = 'removed' | 'active' | 'absent'

export interface QueueDepth {
  readonly class: string
  readonly waiting: number
  readonly active: number
  readonly delayed: number
}

/** The producing side. All methods throw InferqError `service_unavailable` when Redis does not answer. */
export interface JobQueue {
  /** Adds under the id `<jobId>-<hop>`: a second add of a job that is still there does nothing. */
  enqueue(reference: JobReference, delayMs?: number): Promise<void>
  /** Place in line, 1 is next; null when it does not wait (any more). */
  position(reference: Pick<JobReference, 'jobId' | 'hop' | 'class'>): Promise<number | null>
  /** Takes a waiting job out. */
  remove(reference: Pick<JobReference, 'jobId' | 'hop' | 'class'>): Promise<RemoveResult>
  depth(modelClass: string): Promise<QueueDepth>
  /** When the oldest job that waits (a delayed one does not) came into this queue, ms epoch; null when none waits. */
  oldestAt(modelClass: string): Promise<number | null>
  /**
   * Ids of the jobs in this queue, whether they wait, are delayed or run, page by page. Those that are there all the time are
   * among them, once or more often.
   */
  held(modelClass: string): AsyncIterable<readonly string[]>
  close(): Promise<void>
}

/** The one channel by which a running attempt is told to stop, on whatever worker it runs. */
export interface CancelBroadcast {
  announce(jobId: string): Promise<void>
}

/** How a processor ends, beside throwing (which the queue answers with a late redelivery). */
export type ProcessResult =
  | { readonly kind: 'done' }
  /** Put back, to be taken again after `delayMs` (0: at once, by anyone). */
  | { readonly kind: 'again'; readonly delayMs: number }

export interface ConsumeOptions {
  readonly class: string
  /** Jobs at once. */
  readonly concurrency: number
  /** A worker that does not renew its lock for this long has lost its jobs. */
  readonly lockMs: number
  /** How often the queue looks for lost jobs. */
  readonly stalledMs: number
  /** `signal` is aborted when somebody else has the job (LostLockError), or with the reason given to `abort`. */
  process(reference: JobReference, signal: AbortSignal): Promise<ProcessResult>
  /** The queue has given a job up after many redeliveries that failed: it has to be ended. */
  onAbandoned(reference: JobReference, reason: string): Promise<void>
}

/** Another worker has the job: everything this one still writes is fenced. */
export class LostLockError extends Error {
  readonly code = 'lost_lock'
}

/** The consuming side for one class. */
export interface JobConsumer extends Service {
  /** Takes nothing new; what was fetched already goes back. */
  quiet(): Promise<void>
  /** Aborts the running attempt of a job here; false when it does not run here. */
  abort(jobId: string, reason: Error): boolean
  abortAll(reason: Error): void
  /** Changes how many jobs run at once, from now on; running ones are left alone. */
  resize(concurrency: number): void
  readonly inFlight: number
  /** Their ids. */
  readonly runningJobs: readonly string[]
}

/** A worker as others see it. */
export interface WorkerRegistration {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly gpu: string | null
  readonly classes: readonly string[]
  readonly limit: number
  readonly inFlight: number
  readonly startedAt: number
  readonly lastBeatAt: number
  readonly state: 'running' | 'draining'
  /** Of the configuration it runs on. */
  readonly fingerprint: string
}
