import type { Database } from './database.ts'
import { toTimestamp } from './rows-input.ts'
import type { Store } from './store.ts'
import { type JobRow, jobColumns, type SpecRow, specColumns, toJobSpec, toStoredJob } from './stored-job.ts'

type Upkeep = Pick<
  Store,
  | 'claimUnqueued'
  | 'findOverdue'
  | 'findOpen'
  | 'claimLost'
  | 'markRequeued'
  | 'deleteEnded'
  | 'dropRequests'
  | 'endedAmong'
  | 'deleteUsage'
>

/** Pages of jobs past their retention that are looked at for one that nobody needs any more: a few are needed, for a day or so. */
const lookAhead = 10

/** What the controllers do so that no job is forgotten and no table grows for ever. Each is safe for several at once. */
export function createUpkeep(database: Database): Upkeep {
  return {
    async claimUnqueued({ limit, leaseMs }) {
      const rows = await database.run<SpecRow>({
        name: 'claim-unqueued',
        text: `
          with due as (
            select id from jobs
            where enqueued_at is null and status = 'queued' and relay_at <= now()
            order by relay_at limit $1
            for update skip locked
          ), claimed as (
            update jobs set relay_at = now() + $2 * interval '1 millisecond'
            from due where jobs.id = due.id
            returning jobs.*
          )
          select ${specColumns} from claimed order by created_at, id`,
        values: [limit, leaseMs],
      })
      return rows.map(toJobSpec)
    },

    async findOverdue({ now, limit }) {
      const rows = await database.run<JobRow>({
        name: 'find-overdue',
        // The expression is that of the index jobs_due.
        text: `
          select ${jobColumns}
          from jobs j left join usage u on u.job_id = j.id
          where j.status in ('queued', 'in_progress')
            and (case when j.status = 'queued' then least(j.start_by, j.finish_by) else j.finish_by end) < ${toTimestamp('$1::float8')}
          order by case when j.status = 'queued' then least(j.start_by, j.finish_by) else j.finish_by end
          limit $2`,
        values: [now, limit],
      })
      return rows.map(toStoredJob)
    },

    async findOpen({ after, limit, enqueuedForMs }) {
      const rows = await database.run<{ readonly id: string }>({
        name: 'find-open',
        text: `
          select id from jobs
          where status in ('queued', 'in_progress') and id > $1 and enqueued_at <= now() - $3 * interval '1 millisecond'
          order by id limit $2`,
        values: [after, limit, enqueuedForMs],
      })
      return rows.map(({ id }) => id)
    },

    async claimLost(jobIds) {
      if (jobIds.length === 0) return []
      const rows = await database.run<SpecRow & { readonly losses: number }>({
        name: 'claim-lost',
        // Counted before Redis is told: whatever becomes of this try, the next one's positions come after it.
        text: `
          with held as (
            select id from jobs
            where id = any($1) and status in ('queued', 'in_progress') and request is not null
            order by id for update
          ), lost as (
            update jobs set losses = losses + 1,
              start_by = case when started_at is null then start_by else greatest(start_by, finish_by) end
            from held where jobs.id = held.id
            returning jobs.*
          )
          select ${specColumns}, losses from lost order by created_at, id`,
        values: [jobIds],
      })
      return rows.map((row) => ({ spec: toJobSpec(row), losses: row.losses }))
    },

    async markRequeued(jobIds) {
      if (jobIds.length === 0) return
      await database.run({
        name: 'mark-requeued',
        text: `
          update jobs set status = 'queued', enqueued_at = now()
          where id = any($1) and status in ('queued', 'in_progress')`,
        values: [jobIds],
      })
    },

    async deleteEnded({ endedBefore, limit }) {
      const rows = await database.run<{ readonly id: string }>({
        name: 'delete-ended',
        // In steps, each over an index: as one join it may read all jobs that have ended, or all pending deliveries for each.
        text: `
          delete from jobs where id = any(array(
            select id from jobs where id = any(array(
              select oldest.id from (
                select id from jobs where ended_at < ${toTimestamp('$1::float8')} order by ended_at limit $2 * ${lookAhead}
              ) oldest
              where (select 1 from webhook_deliveries d where d.job_id = oldest.id and d.state = 'pending' limit 1) is null
                and (select 1 from batch_lines l where l.job_id = oldest.id and l.status = 'queued' limit 1) is null
              limit $2
            )) for update skip locked
          ))
          returning id`,
        values: [endedBefore, limit],
      })
      return rows.length
    },

    async endedAmong(jobIds) {
      if (jobIds.length === 0) return []
      const rows = await database.run<{ readonly id: string }>({
        name: 'ended-among',
        text: `select id from jobs where id = any($1) and status not in ('queued', 'in_progress')`,
        values: [jobIds],
      })
      return rows.map(({ id }) => id)
    },

    async deleteUsage({ before, limit }) {
      const deleteFrom = async (table: 'usage' | 'attempt_cost'): Promise<number> => {
        const rows = await database.run({
          name: `delete-${table}`,
          text: `
            delete from ${table} where ctid = any(array(
              select ctid from ${table} where at < ${toTimestamp('$1::float8')}
              order by at limit $2 for update skip locked
            ))
            returning 1`,
          values: [before, limit],
        })
        return rows.length
      }
      return Math.max(await deleteFrom('usage'), await deleteFrom('attempt_cost'))
    },

    async dropRequests({ endedBefore, limit }) {
      const rows = await database.run<{ readonly id: string }>({
        name: 'drop-requests',
        text: `
          update jobs set request = null where id = any(array(
            select id from jobs
            where ended_at < ${toTimestamp('$1::float8')} and request is not null
            order by ended_at limit $2 for update skip locked
          ))
          returning id`,
        values: [endedBefore, limit],
      })
      return rows.length
    },
  }
}
