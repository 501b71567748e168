import type { BatchFault, ErrorDetail, Operation } from '@inferq/contracts'
import { type BatchRow, batchColumns, type StoredBatch, toBatch } from './batches.ts'
import type { Database } from './database.ts'
import { cleanText, jsonbText, jsonText } from './postgres-text.ts'
import { rowsInput } from './rows-input.ts'

/** What is done with a batch: its input is read, its lines are run, its output is written. */
export type BatchStage = 'intake' | 'run' | 'output'

/** A claim by one process; it is renewed by claiming again. */
export interface BatchLease {
  readonly holder: string
  readonly leaseMs: number
}

export interface NewBatchLine {
  readonly line: number
  readonly customId: string
  readonly jobId: string
  readonly model: string
  readonly operation: Operation
  /** The request of its job. */
  readonly body: Readonly<Record<string, unknown>>
  /** What else its answer is made of. */
  readonly source?: unknown
}

export interface EndedLine {
  readonly line: number
  readonly customId: string
  readonly jobId: string
  readonly model: string
  readonly operation: Operation
  readonly status: 'completed' | 'failed' | 'cancelled' | 'expired'
  readonly source: unknown
  readonly result: unknown
  readonly error: ErrorDetail | null
  /** ms since the epoch; null: it never became a job. */
  readonly createdAt: number | null
  readonly endedAt: number | null
}

/** Reading a batch's input, and writing its output. Every step is safe to do twice, and does nothing for who lost the lease. */
export interface BatchWork {
  /** Takes batches that wait for this, oldest first; nobody else gets them for `leaseMs`. One's own are given again. */
  claimBatches(stage: BatchStage, lease: BatchLease & { readonly limit: number }): Promise<readonly StoredBatch[]>
  /** False: it is somebody else's. */
  renewBatch(id: string, lease: BatchLease): Promise<boolean>
  /** Somebody else may have it at once. */
  releaseBatch(id: string, holder: string): Promise<void>

  // Intake
  /** Adds lines and renews the lease. False: the batch is somebody else's, or no longer wanted. */
  addBatchLines(id: string, lease: BatchLease, lines: readonly NewBatchLine[]): Promise<boolean>
  /** validating → in_progress */
  startBatch(
    id: string,
    holder: string,
    facts: { readonly total: number; readonly model: string | null },
  ): Promise<boolean>
  /** validating → failed */
  failBatch(id: string, holder: string, errors: readonly BatchFault[]): Promise<boolean>

  // Output
  /** Lines that have ended, ascending: those that were answered, or all the others. */
  readEndedLines(
    id: string,
    query: { readonly completed: boolean; readonly after: number; readonly limit: number },
  ): Promise<readonly EndedLine[]>
  /** finalizing → completed | expired, cancelling → cancelled. The lines go. */
  finishBatch(
    id: string,
    files: { readonly outputFileId: string | null; readonly errorFileId: string | null },
  ): Promise<void>
}

const stageConditions: Readonly<Record<BatchStage, string>> = {
  intake: `status = 'validating'`,
  run: `status in ('in_progress', 'cancelling') and run_ended_at is null`,
  output: `status in ('finalizing', 'cancelling') and run_ended_at is not null`,
}

export function createBatchWork(database: Database): BatchWork {
  return {
    async claimBatches(stage, { holder, leaseMs, limit }) {
      const rows = await database.run<BatchRow>({
        name: 'claim-batches',
        text: `
          update batches set lease_holder = $1, lease_until = now() + $2 * interval '1 millisecond'
          where id in (
            select id from batches
            where status in ('validating', 'in_progress', 'finalizing', 'cancelling') and ${stageConditions[stage]}
              and (lease_until is null or lease_until < now() or lease_holder = $1)
            order by created_at, id limit $3
            for update skip locked
          )
          returning ${batchColumns}`,
        values: [holder, leaseMs, limit],
      })
      return rows.map(toBatch).sort((a, b) => a.createdAt - b.createdAt)
    },

    async renewBatch(id, { holder, leaseMs }) {
      const rows = await database.run({
        name: 'renew-batch',
        text: `
          update batches set lease_until = now() + $3 * interval '1 millisecond'
          where id = $1 and lease_holder = $2 returning id`,
        values: [id, holder, leaseMs],
      })
      return rows.length > 0
    },

    async releaseBatch(id, holder) {
      await database.run({
        name: 'release-batch',
        text: 'update batches set lease_holder = null, lease_until = null where id = $1 and lease_holder = $2',
        values: [id, holder],
      })
    },

    async addBatchLines(id, { holder, leaseMs }, lines) {
      const input = rowsInput(lineTypes, lines.map(toLineInput), { firstParameter: 4 })
      const rows = await database.run({
        name: 'add-batch-lines',
        text: `
          with mine as (
            update batches set lease_until = now() + $3 * interval '1 millisecond'
            where id = $1 and lease_holder = $2 and status = 'validating'
            returning id
          ), added as (
            insert into batch_lines (batch_id, line, custom_id, job_id, model, operation, body, size, source)
            select mine.id, line, custom_id, job_id, model, operation, body::json, size, source::json
            from mine cross join ${input.from}
            on conflict (batch_id, line) do nothing
          )
          select id from mine`,
        values: [id, holder, leaseMs, ...input.values],
      })
      return rows.length > 0
    },

    async startBatch(id, holder, { total, model }) {
      const rows = await database.run({
        name: 'start-batch',
        text: `
          update batches set status = 'in_progress', in_progress_at = now(), total = $3, model = $4,
            lease_holder = null, lease_until = null
          where id = $1 and lease_holder = $2 and status = 'validating'
          returning id`,
        values: [id, holder, total, model === null ? null : cleanText(model)],
      })
      return rows.length > 0
    },

    async failBatch(id, holder, errors) {
      const rows = await database.run({
        name: 'fail-batch',
        text: `
          with failed as (
            update batches set status = 'failed', failed_at = now(), errors = $3::jsonb,
              lease_holder = null, lease_until = null
            where id = $1 and lease_holder = $2 and status = 'validating'
            returning id
          ), dropped as (
            delete from batch_lines where batch_id = $1 and exists (select 1 from failed)
          )
          select id from failed`,
        values: [id, holder, jsonbText(errors)],
      })
      return rows.length > 0
    },

    async readEndedLines(id, { completed, after, limit }) {
      const rows = await database.run<EndedRow>({
        name: 'read-ended-lines',
        text: `
          select line, custom_id, job_id, model, operation, status, source, result, error, created_at, ended_at
          from batch_lines
          where batch_id = $1 and line > $2 and (status = 'completed') = $3 and status not in ('pending', 'queued')
          order by line limit $4`,
        values: [id, after, completed, limit],
      })
      return rows.map(toEndedLine)
    },

    async finishBatch(id, { outputFileId, errorFileId }) {
      await database.run({
        name: 'finish-batch',
        text: `
          with finished as (
            update batches set
              status = case when status = 'cancelling' then 'cancelled' when expired_at is not null then 'expired' else 'completed' end,
              cancelled_at = case when status = 'cancelling' then now() end,
              completed_at = case when status = 'finalizing' and expired_at is null then now() end,
              output_file_id = $2, error_file_id = $3, lease_holder = null, lease_until = null
            where id = $1 and status in ('finalizing', 'cancelling')
            returning id
          )
          delete from batch_lines where batch_id in (select id from finished)`,
        values: [id, outputFileId, errorFileId],
      })
    },
  }
}

const lineTypes = {
  line: 'integer',
  custom_id: 'text',
  job_id: 'text',
  model: 'text',
  operation: 'text',
  body: 'text',
  size: 'integer',
  source: 'text',
} as const

function toLineInput(line: NewBatchLine): Readonly<Record<keyof typeof lineTypes, unknown>> {
  const body = jsonText(line.body) ?? 'null'
  return {
    line: line.line,
    custom_id: cleanText(line.customId),
    job_id: line.jobId,
    model: cleanText(line.model),
    operation: line.operation,
    body,
    size: body.length,
    source: jsonText(line.source),
  }
}

interface EndedRow {
  readonly line: number
  readonly custom_id: string
  readonly job_id: string
  readonly model: string
  readonly operation: Operation
  readonly status: EndedLine['status']
  readonly source: unknown
  readonly result: unknown
  readonly error: ErrorDetail | null
  readonly created_at: Date | null
  readonly ended_at: Date | null
}

function toEndedLine(row: EndedRow): EndedLine {
  const { custom_id: customId, job_id: jobId, created_at: createdAt, ended_at: endedAt, ...rest } = row
  return { ...rest, customId, jobId, createdAt: createdAt?.getTime() ?? null, endedAt: endedAt?.getTime() ?? null }
}
