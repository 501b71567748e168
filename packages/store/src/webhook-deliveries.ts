import { type DeliveryState, InferqError } from '@inferq/contracts'
import type { Database } from './database.ts'
import { cleanText, jsonbText } from './postgres-text.ts'
import { toTimestamp } from './rows-input.ts'
import {
  type AttemptOutcome,
  type DeliveryRow,
  deliveryColumns,
  toDelivery,
  type WebhookAttempt,
  type WebhookDelivery,
} from './webhook-delivery.ts'

export interface ClaimDeliveries {
  /** At most so many, over all hosts. */
  readonly limit: number
  /** At once for one host, together with `busy`. */
  readonly perHost: number
  /** Attempts that the caller has under way, by host. */
  readonly busy: ReadonlyMap<string, number>
  /** For so long nobody else gets them. */
  readonly leaseMs: number
}

export interface DeliveryPage {
  readonly deliveries: readonly WebhookDelivery[]
  /** Opaque; null on the last page. */
  readonly next: string | null
}

export interface DeliveryListQuery {
  readonly limit: number
  /** `next` of an earlier page. */
  readonly after?: string
  readonly state?: DeliveryState
}

export interface WebhookDeliveryStore {
  /** Takes due deliveries and counts an attempt for each. Those of one host in the order they were due. */
  claimDeliveries(options: ClaimDeliveries): Promise<readonly WebhookDelivery[]>
  /**
   * Records how an attempt ended. One that delivered counts whenever it is told; any other only while no later attempt has
   * begun and nothing else has settled it.
   */
  settleDelivery(outcome: AttemptOutcome): Promise<void>
  /** Due at once, whatever became of it, with all its retries again. Null: there is none of this owner. */
  replayDelivery(id: string, owner: string): Promise<WebhookDelivery | null>
  /** Of one job, with the latest attempts of each, newest first. */
  jobDeliveries(
    jobId: string,
    owner: string,
  ): Promise<readonly (WebhookDelivery & { readonly log: readonly WebhookAttempt[] })[]>
  /** Newest first. Throws `invalid_value` for an `after` that no list gave. */
  listDeliveries(owner: string, query: DeliveryListQuery): Promise<DeliveryPage>
  countPendingDeliveries(): Promise<number>
}

/** Attempts of one delivery that are kept, of however many. */
const keptAttempts = 50

export function createWebhookDeliveries(database: Database): WebhookDeliveryStore {
  return {
    async claimDeliveries({ limit, perHost, busy, leaseMs }) {
      const rows = await database.run<DeliveryRow>({
        name: 'claim-deliveries',
        // Host by host, each looked up in the index: a receiver with a long backlog keeps no other waiting.
        text: `
          with recursive hosts (host) as (
            (select host from webhook_deliveries where state = 'pending' order by host limit 1)
            union all
            select (
              select d.host from webhook_deliveries d
              where d.state = 'pending' and d.host > hosts.host order by d.host limit 1
            )
            from hosts where hosts.host is not null
          ), room as (
            select hosts.host, greatest(0, $2::integer - coalesce(busy.count, 0)) as count
            from hosts left join unnest($3::text[], $4::integer[]) as busy (host, count) on busy.host = hosts.host
            where hosts.host is not null
          ), due as (
            select found.id from room cross join lateral (
              select d.id, d.next_at from webhook_deliveries d
              where d.state = 'pending' and d.host = room.host and d.next_at <= now()
              order by d.next_at limit room.count
              for update skip locked
            ) as found
            order by found.next_at limit $1
          ), claimed as (
            update webhook_deliveries d
            set attempts = d.attempts + 1, next_at = now() + $5 * interval '1 millisecond'
            from due where d.id = due.id
            returning d.*
          )
          select ${deliveryColumns} from claimed order by created_at, id`,
        values: [limit, perHost, [...busy.keys()], [...busy.values()], leaseMs],
      })
      return rows.map(toDelivery)
    },

    async settleDelivery({ deliveryId, attempt, startedAt, durationMs, status, error, next }) {
      await database.run({
        name: 'settle-delivery',
        text: `
          with settled as (
            update webhook_deliveries
            set state = $6::text,
              next_at = case when $6 = 'pending' then now() + $7 * interval '1 millisecond' else next_at end,
              last_status = $4, last_error = $5::jsonb,
              delivered_at = case when $6 = 'delivered' then now() else delivered_at end
            where id = $1 and state = 'pending' and (attempts = $2 or $6 = 'delivered')
          ), trimmed as (
            delete from webhook_attempts where delivery_id = $1 and attempt <= $2 - ${keptAttempts}
          )
          insert into webhook_attempts (delivery_id, attempt, started_at, duration_ms, status, error)
          select id, $2, ${toTimestamp('$3::float8')}, $8, $4, $5::jsonb from webhook_deliveries where id = $1
          on conflict (delivery_id, attempt) do nothing`,
        values: [
          deliveryId,
          attempt,
          startedAt,
          status,
          error === null ? null : jsonbText(error),
          next.kind === 'retry' ? 'pending' : next.kind,
          next.kind === 'retry' ? next.inMs : 0,
          Math.round(durationMs),
        ],
      })
    },

    async replayDelivery(id, owner) {
      const rows = await database.run<DeliveryRow>({
        name: 'replay-delivery',
        text: `
          update webhook_deliveries
          set state = 'pending', next_at = now(), attempts_before = attempts, delivered_at = null
          where id = $1 and owner = $2
          returning ${deliveryColumns}`,
        values: [cleanText(id), cleanText(owner)],
      })
      return rows[0] === undefined ? null : toDelivery(rows[0])
    },

    async jobDeliveries(jobId, owner) {
      const rows = await database.run<DeliveryRow & { readonly log: readonly WebhookAttempt[] }>({
        name: 'job-deliveries',
        text: `
          select ${deliveryColumns}, coalesce((
            select jsonb_agg(jsonb_build_object('attempt', a.attempt, 'startedAt', extract(epoch from a.started_at) * 1000,
              'durationMs', a.duration_ms, 'status', a.status, 'error', a.error) order by a.attempt desc)
            from webhook_attempts a where a.delivery_id = webhook_deliveries.id
          ), '[]') as log
          from webhook_deliveries where job_id = $1 and owner = $2
          order by created_at desc, id desc`,
        values: [cleanText(jobId), cleanText(owner)],
      })
      return rows.map((row) => ({ ...toDelivery(row), log: row.log }))
    },

    async listDeliveries(owner, { limit, after, state }) {
      const from = after === undefined ? null : parseCursor(after)
      const rows = await database.run<DeliveryRow>({
        name: 'list-deliveries',
        text: `
          select ${deliveryColumns} from webhook_deliveries
          where owner = $1
            and ($3::float8 is null or (created_at, id) < (${toTimestamp('$3::float8')}, $4))
            and ($5::text is null or state = $5)
          order by created_at desc, id desc
          limit $2`,
        values: [cleanText(owner), limit + 1, from?.createdAt ?? null, from?.id ?? null, state ?? null],
      })
      const deliveries = rows.slice(0, limit).map(toDelivery)
      const last = deliveries.at(-1)
      const more = rows.length > limit && last !== undefined
      return { deliveries, next: more ? `${last.createdAt}.${last.id}` : null }
    },

    async countPendingDeliveries() {
      const [row] = await database.run<{ readonly count: number }>({
        name: 'count-pending-deliveries',
        text: `select count(*) as count from webhook_deliveries where state = 'pending'`,
      })
      return row?.count ?? 0
    },
  }
}

/** Where the next page starts: `<created at, ms>.<id>`. */
function parseCursor(cursor: string): { readonly createdAt: number; readonly id: string } {
  const [, createdAt, id] = /^(\d{1,14})\.([\w-]{1,180})$/.exec(cursor) ?? []
  if (createdAt === undefined || id === undefined) {
    throw new InferqError({ code: 'invalid_value', message: '`after` must be the `next` of a list.', param: 'after' })
  }
  return { createdAt: Number(createdAt), id }
}
