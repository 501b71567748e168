import type { BatchFault, BatchStatus } from '@inferq/contracts'
import type { Database } from './database.ts'
import { unknownCursor } from './files.ts'
import { holdProof, type KeyHold, keyLost } from './idempotency.ts'
import { cleanText, jsonbText } from './postgres-text.ts'
import { toTimestamp } from './rows-input.ts'

/** Who made a batch, as routing may ask. */
export interface BatchCaller {
  readonly key?: string
  readonly user?: string
  readonly team?: string
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Whose share its lines come out of. Absent: of a batch that was made before there were shares. */
  readonly tenant?: string
}

/** What is fixed when a batch is made. Times in ms since the epoch. */
export interface NewBatch {
  readonly id: string
  readonly owner: string
  /** Such as `/v1/chat/completions`. */
  readonly endpoint: string
  readonly inputFileId: string
  readonly completionWindow: string
  readonly metadata: Readonly<Record<string, string>> | null
  readonly caller: BatchCaller
  readonly createdAt: number
  /** When its window closes. */
  readonly expiresAt: number
  /** How long its output files are kept; null: as files of batches are. */
  readonly outputExpiresSeconds: number | null
}

export interface StoredBatch extends NewBatch {
  readonly status: BatchStatus
  /** Of its lines, where they all name the same. */
  readonly model: string | null
  readonly inProgressAt: number | null
  readonly finalizingAt: number | null
  readonly completedAt: number | null
  readonly failedAt: number | null
  readonly expiredAt: number | null
  readonly cancellingAt: number | null
  readonly cancelledAt: number | null
  readonly outputFileId: string | null
  readonly errorFileId: string | null
  readonly errors: readonly BatchFault[] | null
  readonly counts: { readonly total: number; readonly completed: number; readonly failed: number }
  /** Of the lines that have ended. */
  readonly tokens: {
    readonly input: number
    readonly cached: number
    readonly output: number
    readonly reasoning: number
  }
}

export type CancelBatchResult =
  | { readonly kind: 'cancelling'; readonly batch: StoredBatch }
  /** It was too late. */
  | { readonly kind: 'ended'; readonly batch: StoredBatch }
  | { readonly kind: 'unknown' }

/** Batches as their owners see them. */
export interface BatchTable {
  /** Idempotent by id. With `hold` only while that claim of an Idempotency-Key stands, see `insertAccepted`. */
  insertBatch(batch: NewBatch, hold?: KeyHold): Promise<void>
  getBatch(id: string, owner: string): Promise<StoredBatch | null>
  /** Newest first. Throws `invalid_value` for an `after` that is no batch of the owner's. */
  listBatches(
    owner: string,
    query: { readonly limit: number; readonly after?: string },
  ): Promise<{ readonly batches: readonly StoredBatch[]; readonly hasMore: boolean }>
  /** No line starts from now on. Idempotent. */
  cancelBatch(id: string, owner: string): Promise<CancelBatchResult>
  /** Deletes batches that ended before `endedBefore` (ms), at most `limit`; gives how many. Their files stay. */
  deleteEndedBatches(options: { readonly endedBefore: number; readonly limit: number }): Promise<number>
}

export function createBatchTable(database: Database): BatchTable {
  const get = async (id: string, owner: string): Promise<StoredBatch | null> => {
    const [row] = await database.run<BatchRow>({
      name: 'get-batch',
      text: `select ${batchColumns} from batches where id = $1 and owner = $2`,
      values: [cleanText(id), cleanText(owner)],
    })
    return row === undefined ? null : toBatch(row)
  }

  return {
    async insertBatch(batch, hold) {
      const proof = holdProof(hold, 11)
      const [row] = await database.run<{ readonly held: boolean }>({
        name: 'insert-batch',
        text: `
          with ${proof.cte}, added as (
            insert into batches (id, owner, status, endpoint, input_file_id, completion_window, metadata, caller,
              created_at, expires_at, output_expires_seconds)
            select $1, $2, 'validating', $3, $4, $5, $6::jsonb, $7::jsonb, ${toTimestamp('$8::float8')},
              ${toTimestamp('$9::float8')}, $10::integer
            from held where held.held
            on conflict (id) do nothing
          )
          select held from held`,
        values: [
          ...[batch.id, cleanText(batch.owner), batch.endpoint, batch.inputFileId, batch.completionWindow],
          ...[batch.metadata === null ? null : jsonbText(batch.metadata), jsonbText(batch.caller)],
          ...[batch.createdAt, batch.expiresAt, batch.outputExpiresSeconds],
          ...proof.values,
        ],
      })
      if (row?.held === false) throw keyLost()
    },

    getBatch: get,

    async listBatches(owner, { limit, after = null }) {
      const rows = await database.run<BatchRow & { readonly known: boolean }>({
        name: 'list-batches',
        text: `
          with cursor as (
            select created_at, id from batches where id = $3 and owner = $1
          )
          select page.*, known.known
          from (select $3::text is null or exists (select 1 from cursor) as known) as known
          left join lateral (
            select ${batchColumns} from batches
            where owner = $1 and ($3::text is null or (created_at, id) < (select created_at, id from cursor))
            order by created_at desc, id desc
            limit $2
          ) as page on true`,
        values: [cleanText(owner), limit + 1, after === null ? null : cleanText(after)],
      })
      if (rows[0]?.known !== true) throw unknownCursor('a batch')
      const batches = rows.filter((row) => row.id !== null)
      return { batches: batches.slice(0, limit).map(toBatch), hasMore: batches.length > limit }
    },

    async cancelBatch(id, owner) {
      await database.run({
        name: 'cancel-batch',
        text: `
          update batches set status = 'cancelling', cancelling_at = now()
          where id = $1 and owner = $2 and status in ('validating', 'in_progress')`,
        values: [cleanText(id), cleanText(owner)],
      })
      const batch = await get(id, owner)
      if (batch === null) return { kind: 'unknown' }
      const isCancelled = batch.status === 'cancelling' || batch.status === 'cancelled'
      return { kind: isCancelled ? 'cancelling' : 'ended', batch }
    },

    async deleteEndedBatches({ endedBefore, limit }) {
      const rows = await database.run({
        name: 'delete-ended-batches',
        text: `
          delete from batches where id in (
            select id from batches
            where status in ('completed', 'failed', 'expired', 'cancelled') and created_at < ${toTimestamp('$1::float8')}
              and coalesce(completed_at, failed_at, cancelled_at, expired_at) < ${toTimestamp('$1::float8')}
            order by created_at limit $2
            for update skip locked
          )
          returning id`,
        values: [endedBefore, limit],
      })
      return rows.length
    },
  }
}

export const batchColumns = `
  id, owner, status, endpoint, input_file_id, completion_window, metadata, caller, model, created_at, expires_at,
  in_progress_at, finalizing_at, completed_at, failed_at, expired_at, cancelling_at, cancelled_at,
  output_expires_seconds, output_file_id, error_file_id, errors, total, completed, failed, input_tokens, cached_tokens,
  output_tokens, reasoning_tokens`

export interface BatchRow {
  readonly id: string
  readonly owner: string
  readonly status: BatchStatus
  readonly endpoint: string
  readonly input_file_id: string
  readonly completion_window: string
  readonly metadata: Readonly<Record<string, string>> | null
  readonly caller: BatchCaller
  readonly model: string | null
  readonly created_at: Date
  readonly expires_at: Date
  readonly in_progress_at: Date | null
  readonly finalizing_at: Date | null
  readonly completed_at: Date | null
  readonly failed_at: Date | null
  readonly expired_at: Date | null
  readonly cancelling_at: Date | null
  readonly cancelled_at: Date | null
  readonly output_expires_seconds: number | null
  readonly output_file_id: string | null
  readonly error_file_id: string | null
  readonly errors: readonly BatchFault[] | null
  readonly total: number
  readonly completed: number
  readonly failed: number
  readonly input_tokens: number
  readonly cached_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
}

export function toBatch(row: BatchRow): StoredBatch {
  return {
    id: row.id,
    owner: row.owner,
    status: row.status,
    endpoint: row.endpoint,
    inputFileId: row.input_file_id,
    completionWindow: row.completion_window,
    metadata: row.metadata,
    caller: row.caller,
    model: row.model,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    inProgressAt: toMs(row.in_progress_at),
    finalizingAt: toMs(row.finalizing_at),
    completedAt: toMs(row.completed_at),
    failedAt: toMs(row.failed_at),
    expiredAt: toMs(row.expired_at),
    cancellingAt: toMs(row.cancelling_at),
    cancelledAt: toMs(row.cancelled_at),
    outputExpiresSeconds: row.output_expires_seconds,
    outputFileId: row.output_file_id,
    errorFileId: row.error_file_id,
    errors: row.errors,
    counts: { total: row.total, completed: row.completed, failed: row.failed },
    tokens: {
      input: row.input_tokens,
      cached: row.cached_tokens,
      output: row.output_tokens,
      reasoning: row.reasoning_tokens,
    },
  }
}

function toMs(date: Date | null): number | null {
  return date === null ? null : date.getTime()
}
