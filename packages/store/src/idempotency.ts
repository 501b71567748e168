import { InferqError } from '@inferq/contracts'
import type { Database } from './database.ts'
import { cleanText } from './postgres-text.ts'
import { toTimestamp } from './rows-input.ts'
import type { Store } from './store.ts'

export interface IdempotencyClaim {
  readonly owner: string
  readonly key: string
  /** Of the route and the canonical body. */
  readonly bodyHash: string
  /** Id of what will be made, when nothing was made under this key. */
  readonly subjectId: string
  /** How long others wait for it to be there. */
  readonly leaseMs: number
  /** A key older than this is as good as none. */
  readonly keepMs: number
}

/** A claim that was granted. What is made under it is made in one statement with the proof that it still holds. */
export type KeyHold = Pick<IdempotencyClaim, 'owner' | 'key' | 'subjectId'>

export type ClaimResult =
  /** The key is the caller's, who makes `subjectId` now. */
  | { readonly kind: 'claimed' }
  /** The same request came before: `subjectId` is what it made, or makes. `leaseOver`: it had the time for it. */
  | { readonly kind: 'taken'; readonly subjectId: string; readonly leaseOver: boolean }
  /** Another request came before. */
  | { readonly kind: 'mismatch' }

type IdempotencyKeys = Pick<
  Store,
  'claimIdempotencyKey' | 'reclaimIdempotencyKey' | 'releaseIdempotencyKey' | 'deleteIdempotencyKeys'
>

/** Who is first under a key. An insert decides; every statement is safe to run twice. */
export function createIdempotencyKeys(database: Database): IdempotencyKeys {
  return {
    async claimIdempotencyKey(claim) {
      // A key that another transaction inserts at this moment is in neither half: its row is there when asked again.
      for (let tries = 0; tries < 5; tries++) {
        const [row] = await claimOrRead(database, claim)
        if (row === undefined) continue
        if (row.subject_id === claim.subjectId) return { kind: 'claimed' }
        if (row.body_hash !== claim.bodyHash) return { kind: 'mismatch' }
        return { kind: 'taken', subjectId: row.subject_id, leaseOver: row.lease_over }
      }
      return { kind: 'taken', subjectId: '', leaseOver: false }
    },

    async reclaimIdempotencyKey({ owner, key, from, to, leaseMs, unlessMade }) {
      const rows = await database.run({
        name: 'reclaim-idempotency-key',
        // Already `to`: this very call, sent again.
        text: `
          update idempotency_keys
          set subject_id = $4, lease_until = now() + $5 * interval '1 millisecond', made = false
          where owner = $1 and key = $2 and (subject_id = $4 or (subject_id = $3 and not (made and $6)))
          returning key`,
        values: [cleanText(owner), cleanText(key), from, to, leaseMs, unlessMade],
      })
      return rows.length > 0
    },

    async releaseIdempotencyKey({ owner, key, subjectId }) {
      await database.run({
        name: 'release-idempotency-key',
        text: 'delete from idempotency_keys where owner = $1 and key = $2 and subject_id = $3 and not made',
        values: [cleanText(owner), cleanText(key), subjectId],
      })
    },

    async deleteIdempotencyKeys({ createdBefore, limit }) {
      const rows = await database.run<{ readonly key: string }>({
        name: 'delete-idempotency-keys',
        text: `
          delete from idempotency_keys where ctid = any(array(
            select ctid from idempotency_keys where created_at < ${toTimestamp('$1::float8')}
            order by created_at limit $2 for update skip locked
          ))
          returning key`,
        values: [createdBefore, limit],
      })
      return rows.length
    },
  }
}

/**
 * Two common table expressions for a statement that makes something: `held.held` says whether it may. The row of the key is
 * written, so that a statement that takes the key over at the same moment waits, and sees that the thing was made.
 * Takes the parameters from `firstParameter` on.
 */
export function holdProof(
  hold: KeyHold | undefined,
  firstParameter: number,
): { readonly cte: string; readonly values: readonly unknown[] } {
  if (hold === undefined) return { cte: 'held as (select true as held)', values: [] }
  const [owner, key, subject] = [firstParameter, firstParameter + 1, firstParameter + 2]
  return {
    cte: `
      bound as (
        update idempotency_keys set made = true
        where owner = $${owner} and key = $${key} and subject_id = $${subject}
        returning key
      ), held as (select exists (select 1 from bound) as held)`,
    values: [cleanText(hold.owner), cleanText(hold.key), hold.subjectId],
  }
}

/** It took so long that another request with the key took it over. Asking again gets what that one made. */
export function keyLost(): InferqError {
  const message = 'Another request with this Idempotency-Key was faster.'
  return new InferqError({ code: 'service_unavailable', message, retryAfterSeconds: 1 })
}

interface ClaimRow {
  readonly body_hash: string
  readonly subject_id: string
  readonly lease_over: boolean
}

function claimOrRead(database: Database, claim: IdempotencyClaim): Promise<ClaimRow[]> {
  const { owner, key, bodyHash, subjectId, leaseMs, keepMs } = claim
  return database.run<ClaimRow>({
    name: 'claim-idempotency-key',
    text: `
      with claimed as (
        insert into idempotency_keys as kept (owner, key, body_hash, subject_id, lease_until)
        values ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
        on conflict (owner, key) do update set body_hash = excluded.body_hash, subject_id = excluded.subject_id,
          lease_until = excluded.lease_until, created_at = now(), made = false
        where kept.created_at < now() - $6 * interval '1 millisecond'
        returning body_hash, subject_id
      )
      select body_hash, subject_id, false as lease_over from claimed
      union all
      select body_hash, subject_id, lease_until < now() from idempotency_keys
      where owner = $1 and key = $2 and not exists (select 1 from claimed)`,
    values: [cleanText(owner), cleanText(key), bodyHash, subjectId, leaseMs, keepMs],
  })
}
