import type { EndMessage, JobSpec, JobStatus, JobType, OutcomeMessage } from '@inferq/contracts'
import type { Log } from '@inferq/runtime'
import { createAcceptance } from './acceptance.ts'
import { type BatchRun, createBatchRun } from './batch-run.ts'
import { type BatchWork, createBatchWork } from './batch-work.ts'
import { type BatchTable, createBatchTable } from './batches.ts'
import { createDatabase } from './database.ts'
import { createFileTable, type FileTable } from './files.ts'
import { type ClaimResult, createIdempotencyKeys, type IdempotencyClaim, type KeyHold } from './idempotency.ts'
import { createJobReader } from './job-reader.ts'
import { migrate, readMigrations } from './migrate.ts'
import { createModelTable, type NewModel, type StoredModels } from './models.ts'
import { commitOutcomes } from './outcome-commit.ts'
import { createResponseTable, type ResponseStore } from './responses.ts'
import type { StoredJob } from './stored-job.ts'
import { createUpkeep } from './upkeep.ts'
import { createWebhookDeliveries, type WebhookDeliveryStore } from './webhook-deliveries.ts'
import { createWebhookSecretTable, type WebhookSecretStore } from './webhook-secrets.ts'

export interface StoreOptions {
  /** `postgres://user:password@host:port/database`; a unix socket is `?host=/directory`. */
  readonly url: string
  readonly log: Log
  /** Connections of this process. Default 8. */
  readonly maxConnections?: number
  /** For every statement, the wait for a connection and a second try included. Default 10 s. */
  readonly statementTimeoutMs?: number
  /**
   * For those that somebody waits for on a connection: submits (beside what their bytes need), lookups, lists, keys, models,
   * responses, files, batches. Default `statementTimeoutMs`.
   */
  readonly answerWithinMs?: number
  /** How long the submitting process has to enqueue what it accepted before the relay does it. Default 2 s. */
  readonly relayAfterMs?: number
}

/**
 * The record of truth. Every method throws InferqError `service_unavailable` when Postgres does not answer (the statement
 * may have been done then; each is safe to repeat), and `internal_error` when it refuses.
 */
/** A job that Redis does not hold, and how often that was so. */
export interface LostJob {
  readonly spec: JobSpec
  readonly losses: number
}

export interface Store
  extends ResponseStore,
    WebhookDeliveryStore,
    WebhookSecretStore,
    FileTable,
    BatchTable,
    BatchWork,
    BatchRun {
  /** Brings the schema forward to this code. Any number of processes may call it at once. Gives what it applied. */
  migrate(): Promise<readonly number[]>
  /** Resolves when Postgres answers. */
  ping(): Promise<void>

  // Submitting
  /**
   * Commits asynchronous jobs, all of the call or none; a job that is there already is left as it is. When it resolves,
   * they survive everything. Concurrent calls share a commit. Of a call that was answered `service_unavailable` nobody knows.
   * With `hold` only while that claim stands, even where the statement is done late: `service_unavailable` when another
   * request has taken the key over. A key that was granted is bound to these jobs then.
   */
  insertAccepted(specs: readonly JobSpec[], hold?: KeyHold): Promise<void>
  /** The jobs are in their queues, so that the relay leaves them alone. Not doing it, or late, is harmless. */
  markEnqueued(jobIds: readonly string[]): Promise<void>

  // Reading
  /** `owner` of all of these: null for everybody's, which only operators may see. */
  getJob(jobId: string, owner: string | null): Promise<JobLookup>
  /** Newest first. Throws `invalid_value` for an `after` that no list gave. */
  listJobs(owner: string | null, query: JobListQuery): Promise<JobPage>
  /** All it takes to run a job again that failed, expired or was cancelled; null for others, and when its request is dropped. */
  endedSpec(jobId: string, owner: string | null): Promise<JobSpec | null>

  // Recording
  /** Records starts and ends. Idempotent, in any order. Rejects without having recorded only when Postgres is away. */
  commitOutcomes(messages: readonly OutcomeMessage[]): Promise<CommitReport>

  // Keeping up
  /** Takes jobs that were accepted and perhaps not enqueued; for `leaseMs` nobody else gets them. Oldest first. */
  claimUnqueued(options: { readonly limit: number; readonly leaseMs: number }): Promise<readonly JobSpec[]>
  /** Jobs that have not ended in time: not started by their `startBy` (as far as is known here), or past `finishBy`. */
  findOverdue(options: { readonly now: number; readonly limit: number }): Promise<readonly StoredJob[]>
  /** Ids, ascending, of jobs enqueued at least `enqueuedForMs` ago that have not ended. */
  findOpen(options: {
    readonly after: string
    readonly limit: number
    readonly enqueuedForMs: number
  }): Promise<readonly string[]>
  /**
   * Of the jobs among these that have not ended, to be made anew in Redis, which does not hold them: each with how often it
   * was lost, this time included. One that had started in time need not start in time again.
   */
  claimLost(jobIds: readonly string[]): Promise<readonly LostJob[]>
  /** Of these jobs those that have ended, and are not past their retention. */
  endedAmong(jobIds: readonly string[]): Promise<readonly string[]>
  /** Jobs that were lost and are in their queues again: queued, as if just enqueued. */
  markRequeued(jobIds: readonly string[]): Promise<void>
  /**
   * Deletes jobs that ended before `endedBefore` (ms), at most `limit`; gives how many. Their usage stays, and so do jobs
   * whose end somebody is still to be told of.
   */
  deleteEnded(options: { readonly endedBefore: number; readonly limit: number }): Promise<number>
  /**
   * Deletes bills, and what attempts cost, of before `before` (ms), at most `limit` of each; gives how many of the one that had
   * more.
   */
  deleteUsage(options: { readonly before: number; readonly limit: number }): Promise<number>
  /** Drops the requests of jobs that ended before `endedBefore` (ms), at most `limit`; gives how many. */
  dropRequests(options: { readonly endedBefore: number; readonly limit: number }): Promise<number>

  // Idempotency keys
  /** Makes the key this request's, unless it is taken by an earlier one that is younger than `keepMs`. */
  claimIdempotencyKey(claim: IdempotencyClaim): Promise<ClaimResult>
  /**
   * What the key stood for has come to nothing: from now on for `to`. False: somebody else was faster. `unlessMade`: nobody
   * knows of it yet, and whoever was to make it may still do it; false too when that has happened.
   */
  reclaimIdempotencyKey(move: {
    readonly owner: string
    readonly key: string
    readonly from: string
    readonly to: string
    readonly leaseMs: number
    readonly unlessMade: boolean
  }): Promise<boolean>
  /** Nothing was made: the key is free again, if it still stands for `subjectId`. Does nothing where it was made after all. */
  releaseIdempotencyKey(hold: KeyHold): Promise<void>
  /** Deletes keys claimed before `createdBefore` (ms), at most `limit`; gives how many. */
  deleteIdempotencyKeys(options: { readonly createdBefore: number; readonly limit: number }): Promise<number>

  // Models added at run time
  /** False: there is another with this id. */
  insertModel(model: NewModel): Promise<boolean>
  /** False: there is none with this id. */
  updateModel(model: Omit<NewModel, 'createdBy'>): Promise<boolean>
  /** False: there was none with this id. */
  deleteModel(id: string): Promise<boolean>
  /** All of them, and the version that a change makes higher. */
  listModels(): Promise<StoredModels>

  /** Waits for commits under way, then closes. */
  close(): Promise<void>
}

export type JobLookup =
  | { readonly kind: 'found'; readonly job: StoredJob }
  /** It was the owner's, and is past its retention. */
  | { readonly kind: 'gone' }
  /** There is none, or it is not the owner's. */
  | { readonly kind: 'unknown' }

export interface JobListQuery {
  readonly limit: number
  /** `next` of an earlier page. */
  readonly after?: string
  readonly status?: JobStatus
  readonly type?: JobType
  readonly model?: string
  readonly class?: string
  /** Of the error it ended with. */
  readonly errorCode?: string
  /** All of these pairs. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Accepted after, and before, this time (ms epoch); exclusive. */
  readonly createdAfter?: number
  readonly createdBefore?: number
}

export interface JobPage {
  /** Without results. */
  readonly jobs: readonly StoredJob[]
  /** Opaque; null on the last page. */
  readonly next: string | null
}

export interface CommitReport {
  /**
   * Ends that this call recorded. Each job's end is in one report, however often it is delivered; in none when Postgres
   * recorded it and its reply was lost.
   */
  readonly ended: readonly EndMessage[]
  /** Webhook deliveries that came with them. */
  readonly deliveries: number
  /** What Postgres will never take, with the reason. */
  readonly rejected: readonly RejectedOutcome[]
}

export interface RejectedOutcome {
  readonly message: OutcomeMessage
  readonly reason: string
}

const migrationTimeoutMs = 120_000

/** Opens a pool (connections are made when needed) and puts the functions of this package over it. */
export function createStore(options: StoreOptions): Store {
  const { url, log, maxConnections = 8, statementTimeoutMs = 10_000, relayAfterMs = 2_000 } = options
  const { answerWithinMs = statementTimeoutMs } = options
  const database = createDatabase({ url, log, maxConnections, statementTimeoutMs })
  const answering = database.within(answerWithinMs)
  const acceptance = createAcceptance(database, { relayAfterMs, answerWithinMs, statementTimeoutMs })
  let closed: Promise<void> | undefined

  return {
    async migrate() {
      const migrations = await readMigrations()
      return migrate(database, migrations, { log, timeoutMs: migrationTimeoutMs })
    },
    async ping() {
      await answering.run({ name: 'ping', text: 'select 1' })
    },
    ...acceptance.methods,
    ...createJobReader(answering),
    ...createUpkeep(database),
    ...createIdempotencyKeys(answering),
    ...createModelTable(answering),
    ...createResponseTable(answering),
    ...createFileTable(answering),
    ...createBatchTable(answering),
    ...createBatchWork(database),
    ...createBatchRun(database),
    ...createWebhookDeliveries(database),
    ...createWebhookSecretTable(answering),
    commitOutcomes: (messages) => commitOutcomes(database, log, messages),
    close() {
      closed ??= acceptance.idle().then(() => database.close())
      return closed
    },
  }
}
