import type { JobStatus, ResponseEcho, ResponseItem } from '@inferq/contracts'
import type { Database } from './database.ts'
import { cleanText, jsonText } from './postgres-text.ts'
import { toTimestamp } from './rows-input.ts'

/** A response beside its job. Times in ms epoch. */
export interface StoredResponse {
  readonly jobId: string
  readonly owner: string
  /** The job of the response it goes on after. */
  readonly previousJobId: string | null
  /** The request without its input, as answers repeat it. */
  readonly request: ResponseEcho
  /** Its own; those of the responses before it are theirs. */
  readonly inputItems: readonly ResponseItem[]
  readonly createdAt: number
}

/** One turn of a conversation. */
export interface ResponseTurn {
  readonly jobId: string
  readonly inputItems: readonly ResponseItem[]
  readonly request: ResponseEcho
  /** Of its job, as far as it is recorded; null: there is none. */
  readonly status: JobStatus | null
  readonly finishReason: string | null
  readonly result: unknown
}

export interface ResponseChain {
  /** Oldest first. */
  readonly turns: readonly ResponseTurn[]
  /** `broken`: one of them is not there (any more), or was deleted. `too_long`: there are more than `limit`. */
  readonly kind: 'whole' | 'broken' | 'too_long'
}

export interface ResponseStore {
  /** Kept for as long as its job. One that is there already is left as it is. */
  insertResponse(response: StoredResponse): Promise<void>
  /** Null: there is none, it is another owner's, or it was deleted. */
  getResponse(jobId: string, owner: string): Promise<StoredResponse | null>
  /** The conversation that ends with this response. */
  responseChain(jobId: string, owner: string, limit: number): Promise<ResponseChain>
  /** Drops the content of a response, and that of its job where it has ended. False: there was none. */
  deleteResponse(jobId: string, owner: string): Promise<boolean>
  /** Deletes rows made before `createdBefore` (ms) whose jobs are gone, at most `limit`; gives how many. */
  deleteOrphanResponses(options: { readonly createdBefore: number; readonly limit: number }): Promise<number>
}

export function createResponseTable(database: Database): ResponseStore {
  return {
    async insertResponse({ jobId, owner, previousJobId, request, inputItems, createdAt }) {
      await database.run({
        name: 'insert-response',
        text: `
          insert into responses (job_id, owner, previous_job_id, request, input_items, created_at)
          values ($1, $2, $3, $4::json, $5::json, ${toTimestamp('$6::float8')})
          on conflict (job_id) do nothing`,
        values: [jobId, cleanText(owner), previousJobId, jsonText(request), jsonText(inputItems), createdAt],
      })
    },

    async getResponse(jobId, owner) {
      const [row] = await database.run<ResponseRow>({
        name: 'get-response',
        text: `
          select job_id, owner, previous_job_id, request, input_items, created_at from responses
          where job_id = $1 and owner = $2 and deleted_at is null`,
        values: [jobId, cleanText(owner)],
      })
      return row === undefined ? null : toResponse(row)
    },

    responseChain: (jobId, owner, limit) => readChain(database, jobId, owner, limit),

    async deleteResponse(jobId, owner) {
      const rows = await database.run({
        name: 'delete-response',
        text: `
          with gone as (
            update responses set deleted_at = now(), request = null, input_items = null
            where job_id = $1 and owner = $2 and deleted_at is null
            returning job_id
          ), emptied as (
            update jobs set result = null, request = null from gone
            where jobs.id = gone.job_id and jobs.status not in ('queued', 'in_progress')
          )
          select job_id from gone`,
        values: [jobId, cleanText(owner)],
      })
      return rows.length > 0
    },

    async deleteOrphanResponses({ createdBefore, limit }) {
      const rows = await database.run({
        name: 'delete-orphan-responses',
        text: `
          delete from responses where job_id in (
            select job_id from responses r
            where r.created_at < ${toTimestamp('$1::float8')} and not exists (select 1 from jobs j where j.id = r.job_id)
            order by r.created_at limit $2 for update skip locked
          )
          returning job_id`,
        values: [createdBefore, limit],
      })
      return rows.length
    },
  }
}

interface ResponseRow {
  readonly job_id: string
  readonly owner: string
  readonly previous_job_id: string | null
  readonly request: ResponseEcho
  readonly input_items: readonly ResponseItem[]
  readonly created_at: Date
}

function toResponse(row: ResponseRow): StoredResponse {
  return {
    jobId: row.job_id,
    owner: row.owner,
    previousJobId: row.previous_job_id,
    request: row.request,
    inputItems: row.input_items,
    createdAt: row.created_at.getTime(),
  }
}

interface TurnRow extends Omit<ResponseRow, 'owner' | 'created_at'> {
  readonly status: JobStatus | null
  readonly finish_reason: string | null
  readonly result: unknown
}

async function readChain(database: Database, jobId: string, owner: string, limit: number): Promise<ResponseChain> {
  const rows = await database.run<TurnRow>({
    name: 'response-chain',
    // Ids and links first, then the content: the recursion carries none of it.
    text: `
      with recursive chain as (
        select job_id, previous_job_id, 1 as place from responses
        where job_id = $1 and owner = $2 and deleted_at is null
        union all
        select r.job_id, r.previous_job_id, chain.place + 1 from chain
        join responses r on r.job_id = chain.previous_job_id
        where r.owner = $2 and r.deleted_at is null and chain.place < $3
      )
      select c.job_id, c.previous_job_id, r.request, r.input_items, j.status, j.finish_reason, j.result
      from chain c join responses r on r.job_id = c.job_id left join jobs j on j.id = c.job_id
      order by c.place desc`,
    values: [jobId, cleanText(owner), limit],
  })
  const turns = rows.map((row) => ({
    jobId: row.job_id,
    inputItems: row.input_items,
    request: row.request,
    status: row.status,
    finishReason: row.finish_reason,
    result: row.result ?? null,
  }))
  const first = rows[0]
  if (first === undefined) return { turns, kind: 'broken' }
  if (first.previous_job_id === null) return { turns, kind: 'whole' }
  return { turns, kind: rows.length >= limit ? 'too_long' : 'broken' }
}
