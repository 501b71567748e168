import pg from 'pg'
import type { AttemptRow, JobRow, UsageRow } from '../history/history.ts'

/** What is recorded in Postgres of some jobs, read past everything. */
export interface Bill {
  /** Jobs that have not ended. */
  countOpen(jobIds: readonly string[]): Promise<number>
  /** Jobs with a row on the bill. */
  countBilled(jobIds: readonly string[]): Promise<number>
  /** Those of these jobs that are there. */
  readRecords(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobRow>>
  readUsage(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly UsageRow[]>>
  readAttempts(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly AttemptRow[]>>
  close(): Promise<void>
}

const statementWithinMs = 30_000
const idsAtOnce = 2_000

type Row<Fields> = Fields & { readonly jobId: string }

/** @param url of a Postgres that answers now */
export async function openBill(url: string): Promise<Bill> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: statementWithinMs,
    query_timeout: statementWithinMs,
    types: { getTypeParser: (oid, format) => (oid === int8 ? Number : pg.types.getTypeParser(oid, format)) },
  })
  // A connection that is cut while nobody uses it (PGlite does that) is made again.
  pool.on('error', () => {})

  const read = async <Fields>(text: string, jobIds: readonly string[]): Promise<Row<Fields>[]> => {
    const rows: Row<Fields>[] = []
    for (let start = 0; start < jobIds.length; start += idsAtOnce) {
      const part = jobIds.slice(start, start + idsAtOnce)
      rows.push(...(await pool.query<Row<Fields> & object>(text, [part])).rows)
    }
    return rows
  }
  const byJob = <Fields>(rows: readonly Row<Fields>[]): ReadonlyMap<string, readonly Row<Fields>[]> =>
    Map.groupBy(rows, ({ jobId }) => jobId)

  return {
    async countOpen(jobIds) {
      const text = `select id as "jobId" from jobs where id = any($1) and status in ('queued', 'in_progress')`
      return (await read(text, jobIds)).length
    },
    async countBilled(jobIds) {
      return (await read(`select job_id as "jobId" from usage where job_id = any($1)`, jobIds)).length
    },
    async readRecords(jobIds) {
      const text = `select id as "jobId", status, result #>> '{choices,0,message,content}' as text
        from jobs where id = any($1)`
      return new Map((await read<JobRow>(text, jobIds)).map((row) => [row.jobId, row]))
    },
    async readUsage(jobIds) {
      const text = `select job_id as "jobId", prompt_tokens as "promptTokens", completion_tokens as "completionTokens",
          cost_nano_usd as "costNanoUsd", estimated
        from usage where job_id = any($1)`
      return byJob(await read<UsageRow>(text, jobIds))
    },
    async readAttempts(jobIds) {
      const text = `select job_id as "jobId", attempt, model, prompt_tokens as "promptTokens",
          completion_tokens as "completionTokens", cost_nano_usd as "costNanoUsd", outcome
        from attempt_cost where job_id = any($1) order by job_id, attempt`
      return byJob(await read<AttemptRow>(text, jobIds))
    },
    close: () => pool.end(),
  }
}

const int8 = 20
