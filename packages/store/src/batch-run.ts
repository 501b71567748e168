import type { ErrorDetail, Operation } from '@inferq/contracts'
import type { Database } from './database.ts'
import { jsonbText } from './postgres-text.ts'
import { rowsInput } from './rows-input.ts'

/** A line that has not been submitted, as far as is known. */
export interface PendingLine {
  readonly line: number
  readonly jobId: string
  readonly model: string
  readonly operation: Operation
  /** Of its request, in characters of JSON. */
  readonly size: number
  /** Its job is there: whoever submitted it died before saying so. */
  readonly accepted: boolean
}

export type LineRequest = Readonly<Record<string, unknown>>

/** Running the lines of a batch. Each line moves forward once, and is counted then, whoever does it and however often. */
export interface BatchRun {
  /** In the order of the file. */
  findPendingLines(id: string, limit: number): Promise<readonly PendingLine[]>
  /** The requests of those of these lines that are pending. */
  readLineRequests(id: string, lines: readonly number[]): Promise<ReadonlyMap<number, LineRequest>>
  /** Their jobs are accepted. */
  markLinesQueued(id: string, lines: readonly number[]): Promise<void>
  /** These cannot become jobs. */
  failPendingLines(id: string, faults: readonly { readonly line: number; readonly error: ErrorDetail }[]): Promise<void>
  /** None of the others will be submitted. Gives how many there were. */
  closePendingLines(id: string, status: 'cancelled' | 'expired'): Promise<number>
  /** Ids of the jobs of lines that were submitted and are not known to have ended. */
  findQueuedJobs(id: string): Promise<readonly string[]>
  /** Takes over the ends of those of these jobs that have ended, with their results. Gives how many. */
  collectEndedJobs(id: string, jobIds: readonly string[]): Promise<number>
  /** The window has closed. */
  expireBatch(id: string): Promise<void>
  /** When every line has ended: the output can be written. False: some line has not. */
  endBatchRun(id: string): Promise<boolean>
}

export function createBatchRun(database: Database): BatchRun {
  return {
    async findPendingLines(id, limit) {
      const rows = await database.run<PendingRow>({
        name: 'find-pending-lines',
        text: `
          select line, job_id, model, operation, size, exists (select 1 from jobs where jobs.id = job_id) as accepted
          from batch_lines
          where batch_id = $1 and status = 'pending'
          order by line limit $2`,
        values: [id, limit],
      })
      return rows.map(({ job_id: jobId, ...rest }) => ({ ...rest, jobId }))
    },

    async readLineRequests(id, lines) {
      if (lines.length === 0) return new Map()
      const rows = await database.run<{ readonly line: number; readonly body: LineRequest }>({
        name: 'read-line-requests',
        text: `select line, body from batch_lines where batch_id = $1 and line = any($2) and status = 'pending'`,
        values: [id, lines],
      })
      return new Map(rows.map(({ line, body }) => [line, body]))
    },

    async markLinesQueued(id, lines) {
      if (lines.length === 0) return
      await database.run({
        name: 'mark-lines-queued',
        text: `
          update batch_lines set status = 'queued', body = null
          where batch_id = $1 and line = any($2) and status = 'pending'`,
        values: [id, lines],
      })
    },

    async failPendingLines(id, faults) {
      if (faults.length === 0) return
      const input = rowsInput(
        { line: 'integer', error: 'text' },
        faults.map(({ line, error }) => ({ line, error: jsonbText(error) })),
        { firstParameter: 3 },
      )
      await database.run({
        name: 'fail-pending-lines',
        text: `
          with failed as (
            update batch_lines set status = 'failed', error = input.error::jsonb, body = null
            from ${input.from}
            where batch_id = $1 and batch_lines.line = input.line and batch_lines.line = any($2) and status = 'pending'
            returning 1
          )
          update batches set failed = failed + (select count(*) from failed)
          where id = $1 and exists (select 1 from failed)`,
        values: [id, faults.map(({ line }) => line), ...input.values],
      })
    },

    async closePendingLines(id, status) {
      const [row] = await database.run<{ readonly count: number }>({
        name: 'close-pending-lines',
        text: `
          with closed as (
            update batch_lines set status = $2, body = null where batch_id = $1 and status = 'pending' returning 1
          )
          select count(*) as count from closed`,
        values: [id, status],
      })
      return row?.count ?? 0
    },

    async findQueuedJobs(id) {
      const rows = await database.run<{ readonly job_id: string }>({
        name: 'find-queued-jobs',
        text: `select job_id from batch_lines where batch_id = $1 and status = 'queued' order by line`,
        values: [id],
      })
      return rows.map((row) => row.job_id)
    },

    async collectEndedJobs(id, jobIds) {
      if (jobIds.length === 0) return 0
      const [row] = await database.run<{ readonly count: number }>({
        name: 'collect-ended-jobs',
        text: `
          with ended as materialized (
            select id, status, result, error, created_at, ended_at from jobs
            where id = any($2) and status in ('completed', 'failed', 'cancelled', 'expired')
          ), collected as (
            update batch_lines set status = ended.status, result = ended.result, error = ended.error,
              created_at = ended.created_at, ended_at = ended.ended_at
            from ended
            where batch_lines.job_id = any($2) and batch_lines.job_id = ended.id and batch_lines.batch_id = $1
              and batch_lines.status = 'queued'
            returning batch_lines.job_id, batch_lines.status
          ), spent as (
            select coalesce(sum(prompt_tokens), 0) as input, coalesce(sum(cached_tokens), 0) as cached,
              coalesce(sum(completion_tokens), 0) as output, coalesce(sum(reasoning_tokens), 0) as reasoning
            from usage join collected using (job_id)
            where usage.job_id = any($2)
          ), counted as (
            update batches set
              completed = completed + (select count(*) from collected where status = 'completed'),
              failed = failed + (select count(*) from collected where status = 'failed'),
              input_tokens = input_tokens + spent.input, cached_tokens = cached_tokens + spent.cached,
              output_tokens = output_tokens + spent.output, reasoning_tokens = reasoning_tokens + spent.reasoning
            from spent
            where batches.id = $1 and exists (select 1 from collected)
          )
          select count(*) as count from collected`,
        values: [id, jobIds],
      })
      return row?.count ?? 0
    },

    async expireBatch(id) {
      await database.run({
        name: 'expire-batch',
        text: `update batches set expired_at = coalesce(expired_at, now()) where id = $1 and status = 'in_progress'`,
        values: [id],
      })
    },

    async endBatchRun(id) {
      const rows = await database.run({
        name: 'end-batch-run',
        text: `
          update batches set run_ended_at = now(), lease_holder = null, lease_until = null,
            status = case when status = 'in_progress' then 'finalizing' else status end,
            finalizing_at = case when status = 'in_progress' then now() end
          where id = $1 and status in ('in_progress', 'cancelling') and run_ended_at is null
            and not exists (select 1 from batch_lines where batch_id = $1 and status = 'pending')
            and not exists (select 1 from batch_lines where batch_id = $1 and status = 'queued')
          returning id`,
        values: [id],
      })
      return rows.length > 0
    },
  }
}

interface PendingRow {
  readonly line: number
  readonly job_id: string
  readonly model: string
  readonly operation: Operation
  readonly size: number
  readonly accepted: boolean
}
