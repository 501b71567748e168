import { InferqError, type JobSpec } from '@inferq/contracts'
import type { Database } from './database.ts'
import { cleanTextOrNull, jsonbText } from './postgres-text.ts'
import { toTimestamp } from './rows-input.ts'
import type { JobListQuery, JobLookup, JobPage, Store } from './store.ts'
import {
  type JobRow,
  jobColumns,
  type SpecRow,
  type StoredJob,
  specColumns,
  toJobSpec,
  toStoredJob,
} from './stored-job.ts'

/** What ingress reads for clients: within one owner, or for operators (null) over all. */
export function createJobReader(database: Database): Pick<Store, 'getJob' | 'listJobs' | 'endedSpec'> {
  return {
    getJob: (jobId, owner) => getJob(database, jobId, owner),
    listJobs: (owner, query) => listJobs(database, owner, query),
    endedSpec: (jobId, owner) => endedSpec(database, jobId, owner),
  }
}

/** The bill outlives the job, so it tells a job past its retention from one that never was. */
async function getJob(database: Database, jobId: string, owner: string | null): Promise<JobLookup> {
  if (jobId.includes('\0') || owner?.includes('\0')) return { kind: 'unknown' }
  const [row] = await database.run<JobRow & { readonly billed: boolean }>({
    name: 'get-job',
    text: `
      select ${jobColumns}, j.result, u.job_id is not null as billed
      from (select $1 as id, $2::text as owner) as wanted
      left join jobs j on j.id = wanted.id and (wanted.owner is null or j.owner = wanted.owner)
      left join usage u on u.job_id = wanted.id and (wanted.owner is null or u.owner = wanted.owner)`,
    values: [jobId, owner],
  })
  if (row === undefined) return { kind: 'unknown' }
  if (row.id !== null) return { kind: 'found', job: toStoredJob(row) }
  return { kind: row.billed ? 'gone' : 'unknown' }
}

async function endedSpec(database: Database, jobId: string, owner: string | null): Promise<JobSpec | null> {
  const [row] = await database.run<SpecRow>({
    name: 'ended-spec',
    text: `
      select ${specColumns} from jobs
      where id = $1 and ($2::text is null or owner = $2) and status in ('failed', 'cancelled', 'expired') and request is not null`,
    values: [jobId, owner],
  })
  return row === undefined ? null : toJobSpec(row)
}

async function listJobs(database: Database, owner: string | null, query: JobListQuery): Promise<JobPage> {
  const after = query.after === undefined ? null : parseCursor(query.after)
  const rows = await database.run<JobRow>({
    name: 'list-jobs',
    text: `
      select ${jobColumns}
      from jobs j left join usage u on u.job_id = j.id
      where ($1::text is null or j.owner = $1)
        and ($3::float8 is null or (j.created_at, j.id) < (${toTimestamp('$3::float8')}, $4))
        and ($5::text is null or j.status = $5)
        and ($6::text is null or j.type = $6)
        and ($7::text is null or j.model = $7)
        and ($8::text is null or j.class = $8)
        and ($9::jsonb is null or j.metadata @> $9::jsonb)
        and ($10::float8 is null or j.created_at > ${toTimestamp('$10::float8')})
        and ($11::float8 is null or j.created_at < ${toTimestamp('$11::float8')})
        and ($12::text is null or j.error ->> 'code' = $12)
      order by j.created_at desc, j.id desc
      limit $2`,
    values: [
      owner,
      query.limit + 1,
      after?.createdAt ?? null,
      after?.id ?? null,
      query.status ?? null,
      query.type ?? null,
      cleanTextOrNull(query.model),
      cleanTextOrNull(query.class),
      jsonbText(query.metadata),
      query.createdAfter ?? null,
      query.createdBefore ?? null,
      cleanTextOrNull(query.errorCode),
    ],
  })
  const jobs = rows.slice(0, query.limit).map(toStoredJob)
  const last = jobs.at(-1)
  return { jobs, next: rows.length > query.limit && last !== undefined ? formatCursor(last) : null }
}

/** Where the next page starts: `<created at, ms>.<id>`. */
function formatCursor(job: StoredJob): string {
  return `${job.createdAt}.${job.id}`
}

function parseCursor(cursor: string): { readonly createdAt: number; readonly id: string } {
  const match = /^(\d{1,14})\.([\w-]{1,180})$/.exec(cursor)
  const [, createdAt, id] = match ?? []
  if (createdAt === undefined || id === undefined) {
    throw new InferqError({ code: 'invalid_value', message: '`after` must be the `next` of a list.', param: 'after' })
  }
  return { createdAt: Number(createdAt), id }
}
