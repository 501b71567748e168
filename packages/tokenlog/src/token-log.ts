import type {
  AttemptRecord,
  ChoiceDelta,
  EndPayload,
  JobRecord,
  JobSpec,
  JobStatus,
  LogEntry,
  LogPosition,
  ProgressPayload,
  RequeueMove,
  ServedPayload,
  StartPlace,
  TerminalStatus,
} from '@inferq/contracts'
import type { Service } from '@inferq/runtime'

/** What `begin` says to a worker that has taken a job from the queue. */
export type BeginResult =
  /**
   * Go on: every earlier attempt is fenced. `record` is as it was before. `shown`: readers have output of earlier attempts;
   * it is gone on with, or `reset` by the writer, before anything else is shown.
   */
  | { readonly kind: 'begun'; readonly record: JobRecord; readonly attempt: number; readonly shown: boolean }
  /** The job has moved on to another queue: it must be there (`record.hop`), add it again and return. */
  | { readonly kind: 'superseded'; readonly record: JobRecord }
  /** Cancelled while it waited, too late to start, or out of tries: terminate it so, without a call. */
  | { readonly kind: 'refused'; readonly record: JobRecord; readonly why: 'cancelled' | 'expired' | 'exhausted' }
  /** It has ended, and was reported: nothing is left to do. */
  | { readonly kind: 'ended' }
  /** Redis knows nothing of it. */
  | { readonly kind: 'unknown' }

export type EndResult = 'ended' | 'superseded' | 'unknown'

export interface Release {
  readonly move: RequeueMove
  readonly reason: string
  readonly delayMs: number
  /** Index of the candidate to try next, and its class. */
  readonly hop: number
  readonly class: string
}

/** The writing side and the live state of jobs. All methods throw InferqError `service_unavailable` when Redis does not answer. */
export interface TokenLog {
  /**
   * Creates the job's record; of an asynchronous job also the log's first entry, `0-1`. Idempotent by job id.
   * `watcher`: the ingress to which every entry is published; none for a job nobody reads yet.
   * `losses`: how often Redis has lost the job. Its positions then come after all that its lost logs can have had, and its
   * log begins with a reset: whoever has read one of those reads on here.
   */
  open(spec: JobSpec, watcher?: string, losses?: number): Promise<void>
  /**
   * Creates the record of an interactive job, and starts its first attempt at a worker in the same step, where one offers a slot
   * and nobody waits in line; the worker goes on with `startedHere`. False: it is queued. As idempotent as `open`.
   */
  start(spec: JobSpec, watcher: string, at: StartPlace): Promise<boolean>
  begin(jobId: string, start: { hop: number; class: string; worker: string; maxTries: number }): Promise<BeginResult>
  /** A writer for the attempt that `begin` gave. */
  writer(jobId: string, attempt: number): LogWriter
  /** Ends the attempt without ending the job. A requeue takes the try back; tries are counted anew after a hop. */
  release(jobId: string, attempt: AttemptRecord, release: Release): Promise<'released' | 'superseded'>
  /**
   * Ends the job from its running attempt: terminal entry, state and report are written in one step, and nothing can be
   * written any more. `record` is the one `begin` gave.
   */
  finish(record: JobRecord, attempt: AttemptRecord, status: TerminalStatus, end: EndPayload): Promise<EndResult>
  /** Ends a job from outside of an attempt (cancelled or expired while queued, given up by the queue); fences a running one. */
  terminate(jobId: string, status: TerminalStatus, end: EndPayload): Promise<EndResult>
  /** Marks the job as to be cancelled; says where it is. */
  requestCancel(jobId: string): Promise<JobStatus | 'unknown'>
  /** The job's live record; null when Redis does not hold it (any more). */
  record(jobId: string): Promise<JobRecord | null>
  /** Live status of many jobs at once (null: not held), in the order asked. */
  statuses(jobIds: readonly string[]): Promise<readonly (JobStatus | null)[]>
  /** Whether each job is marked as to be cancelled. */
  cancelRequests(jobIds: readonly string[]): Promise<readonly boolean[]>
  /**
   * For each job the ingresses that watch it when none of them is subscribed (any more); empty when one is, when nobody
   * ever watched it, or when Redis does not hold it.
   */
  deserted(jobIds: readonly string[]): Promise<readonly (readonly string[])[]>
  /** Entries after `after`, oldest first, at most `limit`; null when there is no such log (any more). */
  read(jobId: string, after: LogPosition | null, limit?: number): Promise<readonly LogEntry[] | null>
  /** As `read`, and has later entries published to `watcher`, with no gap between the two. */
  attach(jobId: string, watcher: string, after: LogPosition | null, limit?: number): Promise<readonly LogEntry[] | null>
  /** The log was delivered to the only reader it was for: forget it before its expiry. Batched, never fails. */
  discard(jobId: string): void
  /** Sends what `discard` has gathered. */
  close(): Promise<void>
}

/** Appends one attempt's output. Text is coalesced: the first token goes at once, then at most one flush every few ms. */
export interface LogWriter {
  /** Says which deployment the output is from; goes out with the first of it, and never without. */
  serve(served: ServedPayload): void
  /** What earlier attempts have shown is void. */
  reset(): void
  text(text: string): void
  deltas(deltas: readonly ChoiceDelta[]): void
  progress(progress: ProgressPayload): void
  /** Resolves when everything handed over so far is in the log; rejects with `fencedBy`. */
  flush(): Promise<void>
  /** Whether `flush` has nothing to wait for, and nothing to reject with. */
  readonly isFlushed: boolean
  /**
   * Why nothing can be written any more, undefined while it can: a newer attempt, an end or a loss of the log has fenced this
   * writer; or, an InferqError `service_unavailable`, Redis has not taken its entries for too long.
   */
  readonly fencedBy: unknown
  /** Calls one listener as soon as there is such a reason. */
  onFenced(listener: (reason: unknown) => void): void
  /** The attempt is over: what Redis has not taken yet is given up. */
  abandon(): void
  /** Whether any output was handed over. */
  readonly shownOutput: boolean
}

/** The reading side of one ingress process: one subscription for all its readers. A Service. */
export interface LogFollower extends Service {
  /** The id jobs name as their watcher. */
  readonly watcher: string
  /**
   * Follows a log: calls `onEntries` with every entry after `after`, once, in order, until the terminal one.
   * `attached: true` when the job was opened with this watcher a moment ago, so that nothing has to be read first;
   * register before `open`.
   */
  follow(jobId: string, options: FollowOptions): Following
}

export interface FollowOptions {
  readonly after: LogPosition | null
  readonly attached?: boolean
  /** Entries in order. Return false to pause (a slow reader): nothing is buffered, `resume` reads on from the log. */
  onEntries(entries: readonly LogEntry[]): boolean | undefined
  /** `gone`: the log is not there (any more): ask Postgres. `unavailable`: Redis did not answer for too long. */
  onLost(why: 'gone' | 'unavailable'): void
}

export interface Following {
  resume(): void
  close(): void
}
