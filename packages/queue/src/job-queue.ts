import type { JobShare, JobSpec, JobType, StartPlace, Tier } from '@inferq/contracts'
import type { Service } from '@inferq/runtime'
import { prefixSought } from './prefix.ts'

/** What the queue carries of a job: a reference. The job itself is in its record (tokenlog). */
export interface JobReference {
  readonly jobId: string
  readonly hop: number
  readonly type: JobType
  readonly class: string
  readonly tier: Tier
  readonly share: JobShare
  /** What a turn of a conversation goes on from (`prefixSought`). */
  readonly prefix?: string
}

/** A job as the queue hands it out. */
export interface Delivery extends JobReference {
  /** Where it stood in the class's virtual time. */
  readonly at: number
}

/** What is taken for a job that says nothing of its share. */
const usualTokens = 1_000

/** The place in line of a job at a hop of its candidates. */
export function referenceTo(spec: JobSpec, hop: number): JobReference {
  const prefix = prefixSought(spec, hop)
  return {
    jobId: spec.id,
    hop,
    type: spec.type,
    class: spec.candidates[hop]?.class ?? '',
    tier: spec.tier,
    share: shareOf(spec),
    ...(prefix === undefined ? {} : { prefix }),
  }
}

/** Whose share a job comes out of. */
export function shareOf(spec: Pick<JobSpec, 'share' | 'owner'>): JobShare {
  return spec.share ?? { tenant: spec.owner, weight: 1, tokens: usualTokens }
}

/** Who goes first. */
export interface Placing {
  /** To be awaited before a job is placed, where it is not undefined: what is known of the class is too old. Never rejects. */
  ready(modelClass: string): Promise<void> | undefined
  /**
   * Where a job stands in its class, which charges its tenant: `at` in the class's virtual time, for good; and its place as
   * the class is numbered now, 1 (first) to 2,097,151.
   */
  place(modelClass: string, demand: JobDemand): { readonly at: number; readonly place: number }
  /** The place of a job that stands there, as the class is numbered now. */
  placeOf(modelClass: string, at: number): number
  /** A job was taken out of the line before anybody took it: its tenant is not to be charged for it. */
  left(modelClass: string, demand: JobDemand): void
}

export type JobDemand = JobShare & { readonly tier: Tier }

export type RemoveResult = 'removed' | 'active' | 'absent'

export interface QueueDepth {
  readonly class: string
  readonly waiting: number
  readonly active: number
  readonly delayed: number
}

/** The producing side. All methods throw InferqError `service_unavailable` when Redis does not answer. */
export interface JobQueue {
  /**
   * Adds under the id `<jobId>-<hop>`: a second add of a job that is still there does nothing. With `at`, where it stands in the
   * class's virtual time already, its tenant is not charged for it again.
   */
  enqueue(reference: JobReference, delayMs?: number, at?: number): Promise<void>
  /**
   * As `enqueue`, but for an interactive job that is at its first candidate, and not opened yet: `open` opens it, and gives it
   * to a worker with a free slot where there is one and nobody waits; false: there is none. Then it goes into the queue.
   */
  startOrEnqueue(reference: JobReference, open: (place: StartPlace) => Promise<boolean>): Promise<void>
  /** Place in line, 1 is next; null when it does not wait (any more). */
  position(reference: Pick<JobReference, 'jobId' | 'hop' | 'class'>): Promise<number | null>
  /** Takes a waiting job out. */
  remove(reference: Pick<JobReference, 'jobId' | 'hop' | 'class'>): Promise<RemoveResult>
  depth(modelClass: string): Promise<QueueDepth>
  /**
   * When the oldest job that waits (a delayed one does not) came into this queue, ms epoch; null when none waits. Looks at the
   * first thousand in line: the oldest of each tenant is not far from the front.
   */
  oldestAt(modelClass: string): Promise<number | null>
  /** Gives every job that waits or is delayed the place it has as its class is numbered now. Gives how many had another. */
  renumber(modelClass: string, signal: AbortSignal): Promise<number>
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
  /** Jobs at once; 0 as in `resize`. */
  readonly concurrency: number
  /** A worker that does not renew its lock for this long has lost its jobs. */
  readonly lockMs: number
  /** How often the queue looks for lost jobs. */
  readonly stalledMs: number
  /**
   * `signal` is aborted when somebody else has the job (LostLockError), or with the reason given to `abort`.
   * `started`: the job was started here without having waited in line; its first attempt has begun.
   */
  process(delivery: Delivery, signal: AbortSignal, started?: JobSpec): Promise<ProcessResult>
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
  /**
   * Changes how many jobs run at once, from now on; running ones are left alone. 0: takes nothing new until it is raised, and
   * then at once.
   */
  resize(concurrency: number): void
  readonly inFlight: number
  /** Their ids. */
  readonly runningJobs: readonly string[]
}

/** A class on a worker. */
export interface WorkerLane {
  readonly class: string
  /** Jobs at once, now; never more than what is configured. */
  readonly limit: number
  readonly configured: number
  /**
   * Jobs at once that it can be counted on for: where the backend's load last held it, as configured as long as it has not. The limit
   * of one that was idle is lower, and rises in seconds.
   */
  readonly slots?: number
  readonly inFlight: number
  /** Why the limit is kept below what is configured: the backend's load, or `model_not_loaded`; null: it is not. */
  readonly held: string | null
  /** What was last read of the backend; null where it tells nothing. */
  readonly load: { readonly waiting: number; readonly running: number; readonly kvUsage?: number | undefined } | null
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
  /** `draining`: takes nothing new, and ends what it has. `drained`: it has nothing any more. */
  readonly state: 'running' | 'draining' | 'drained'
  /** Of the configuration it runs on. */
  readonly fingerprint: string
  /** Absent from a worker of an earlier version. */
  readonly lanes?: readonly WorkerLane[]
}
