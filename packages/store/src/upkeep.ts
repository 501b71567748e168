import type { Database } from './database.ts'
import { toTimestamp } from './rows-input.ts'
import type { Store } from './store.ts'
import { type JobRow, jobColumns, type SpecRow, specColumns, toJobSpec, toStoredJob } from './stored-job.ts'

type Upkeep = Pick<
  Store,
  'claimUnqueued' | 'findOverdue' | 'findOpen' | 'openSpecs' | 'markRequeued' | 'deleteEnded' | 'dropRequests'
>

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

    async openSpecs(jobIds) {
      if (jobIds.length === 0) return []
      const rows = await database.run<SpecRow>({
        name: 'open-specs',
        text: `
          select ${specColumns} from jobs
          where id = any($1) and status in ('queued', 'in_progress') and request is not null
          order by created_at, id`,
        values: [jobIds],
      })
      return rows.map(toJobSpec)
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
        text: `
          delete from jobs where id in (
            select id from jobs where ended_at < ${toTimestamp('$1::float8')}
              and not exists (select 1 from webhook_deliveries d where d.job_id = jobs.id and d.state = 'pending')
              and not exists (select 1 from batch_lines l where l.job_id = jobs.id and l.status = 'queued')
            order by ended_at limit $2 for update skip locked
          )
          returning id`,
        values: [endedBefore, limit],
      })
      return rows.length
    },

    async dropRequests({ endedBefore, limit }) {
      const rows = await database.run<{ readonly id: string }>({
        name: 'drop-requests',
        text: `
          update jobs set request = null where id in (
            select id from jobs
            where ended_at < ${toTimestamp('$1::float8')} and request is not null
            order by ended_at limit $2 for update skip locked
          )
          returning id`,
        values: [endedBefore, limit],
      })
      return rows.length
    },
  }
}
