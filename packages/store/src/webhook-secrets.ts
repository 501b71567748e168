import { InferqError } from '@inferq/contracts'
import type { Database } from './database.ts'
import { sqlState } from './errors.ts'
import { cleanText } from './postgres-text.ts'

/** What signs the webhooks of an owner, sealed by the application. Times in ms epoch. */
export interface StoredWebhookSecret {
  readonly id: string
  readonly sealed: string
  readonly createdAt: number
  /** Null: the current one. Otherwise it was rotated, and signs too until then. */
  readonly expiresAt: number | null
}

export interface NewWebhookSecretRow {
  readonly id: string
  readonly owner: string
  readonly sealed: string
  /** Its owner sees it now. */
  readonly shown: boolean
}

export interface WebhookSecretStore {
  /** Those in force, the current one first; none, one, or more during a rotation, but never many. */
  webhookSecrets(owner: string): Promise<readonly StoredWebhookSecret[]>
  /** Makes it the owner's current one, unless there is one. */
  insertWebhookSecret(secret: NewWebhookSecretRow): Promise<void>
  /** The current one where nobody has seen it yet; from now on it counts as seen. Null: there is none, or it was seen. */
  showWebhookSecret(owner: string): Promise<StoredWebhookSecret | null>
  /**
   * Makes it the owner's current one; the one before expires in `graceMs`. Gives the new one, and when the one before
   * expires (null: there was none). Throws `conflict` when another was made at the same moment.
   */
  rotateWebhookSecret(
    secret: NewWebhookSecretRow,
    graceMs: number,
  ): Promise<{ readonly createdAt: number; readonly previousExpiresAt: number | null }>
  /** Deletes those that have expired. */
  deleteExpiredWebhookSecrets(): Promise<void>
}

/** However often it was rotated: each signs, and signatures travel in a header. */
const maxInForce = 5
/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const uniqueViolation = '23505'

export function createWebhookSecretTable(database: Database): WebhookSecretStore {
  return {
    async webhookSecrets(owner) {
      const rows = await database.run<SecretRow>({
        name: 'webhook-secrets',
        text: `
          select ${columns} from webhook_secrets
          where owner = $1 and (expires_at is null or expires_at > now())
          order by expires_at desc nulls first, id desc
          limit ${maxInForce}`,
        values: [cleanText(owner)],
      })
      return rows.map(toSecret)
    },

    async insertWebhookSecret({ id, owner, sealed, shown }) {
      await database.run({
        name: 'insert-webhook-secret',
        text: `
          insert into webhook_secrets (id, owner, sealed, shown_at) values ($1, $2, $3, case when $4 then now() end)
          on conflict (owner) where expires_at is null do nothing`,
        values: [id, cleanText(owner), sealed, shown],
      })
    },

    async showWebhookSecret(owner) {
      const rows = await database.run<SecretRow>({
        name: 'show-webhook-secret',
        text: `
          update webhook_secrets set shown_at = now()
          where owner = $1 and expires_at is null and shown_at is null
          returning ${columns}`,
        values: [cleanText(owner)],
      })
      return rows[0] === undefined ? null : toSecret(rows[0])
    },

    async rotateWebhookSecret({ id, owner, sealed, shown }, graceMs) {
      try {
        const [row] = await database.run<{ readonly created_at: Date; readonly previous_expires_at: Date | null }>({
          name: 'rotate-webhook-secret',
          // The insert reads from `expired`, so that it comes after it: there is one current secret at any time.
          text: `
            with expired as (
              update webhook_secrets set expires_at = now() + $5 * interval '1 millisecond'
              where owner = $2 and expires_at is null and id <> $1
              returning expires_at
            ), made as (
              insert into webhook_secrets (id, owner, sealed, shown_at)
              select $1, $2, $3, case when $4 then now() end from (select count(*) from expired) as after_it
              on conflict (id) do update set sealed = excluded.sealed
              returning created_at
            )
            select created_at, (select expires_at from expired) as previous_expires_at from made`,
          values: [id, cleanText(owner), sealed, shown, graceMs],
        })
        return {
          createdAt: row?.created_at.getTime() ?? 0,
          previousExpiresAt: row?.previous_expires_at?.getTime() ?? null,
        }
      } catch (thrown) {
        if (sqlState(thrown) !== uniqueViolation) throw thrown
        const message = 'The secret was changed by another request at the same moment: look at it again.'
        throw new InferqError({ code: 'conflict', message }, { cause: thrown })
      }
    },

    async deleteExpiredWebhookSecrets() {
      await database.run({
        name: 'delete-webhook-secrets',
        text: 'delete from webhook_secrets where expires_at <= now()',
      })
    },
  }
}

const columns = 'id, sealed, created_at, expires_at'

interface SecretRow {
  readonly id: string
  readonly sealed: string
  readonly created_at: Date
  readonly expires_at: Date | null
}

function toSecret(row: SecretRow): StoredWebhookSecret {
  return {
    id: row.id,
    sealed: row.sealed,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at?.getTime() ?? null,
  }
}
