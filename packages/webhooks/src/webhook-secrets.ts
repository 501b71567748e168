import { InferqError } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import { createWebhookSecret } from './signature.ts'

/** What keeps the secrets; the store has this shape. Times in ms epoch. */
export interface SecretTable {
  webhookSecrets(owner: string): Promise<readonly SealedSecret[]>
  insertWebhookSecret(secret: NewSealedSecret): Promise<void>
  showWebhookSecret(owner: string): Promise<SealedSecret | null>
  rotateWebhookSecret(
    secret: NewSealedSecret,
    graceMs: number,
  ): Promise<{ readonly createdAt: number; readonly previousExpiresAt: number | null }>
}

export interface SealedSecret {
  readonly id: string
  readonly sealed: string
  readonly createdAt: number
  readonly expiresAt: number | null
}

interface NewSealedSecret {
  readonly id: string
  readonly owner: string
  readonly sealed: string
  readonly shown: boolean
}

/** What closes them; liveconfig's sealer has this shape. Both throw or refuse without a key. */
export interface SecretSealer {
  seal(id: string, params: Readonly<Record<string, unknown>>): string
  open(
    id: string,
    sealed: string,
  ):
    | { readonly kind: 'opened'; readonly params: Readonly<Record<string, unknown>> }
    | { readonly kind: 'refused'; readonly reason: string }
}

/** A secret in the clear: to be shown once, never logged. */
export interface ShownSecret {
  readonly id: string
  readonly secret: string
  readonly createdAt: number
  /** When the one before stops signing. Null: there was none. */
  readonly previousExpiresAt: number | null
}

/** The signing secrets of owners. An owner has one; during a rotation the ones before sign too. */
export interface WebhookSecrets {
  /** Without the secrets, the current one first. */
  list(owner: string): Promise<readonly Omit<SealedSecret, 'sealed'>[]>
  /** The owner's secret, made where there is none. Throws `conflict` when it was shown before. */
  show(owner: string): Promise<ShownSecret>
  /** A new one. Those before sign too for `graceMs`. Throws `conflict`. */
  rotate(owner: string, graceMs: number): Promise<ShownSecret>
  /** All that sign now, the current one first; made where there is none. Throws when that one cannot be opened. */
  signing(owner: string): Promise<readonly string[]>
}

/** Throws `service_unavailable` while Postgres is away. */
export function createWebhookSecrets(table: SecretTable, sealer: SecretSealer): WebhookSecrets {
  const make = (owner: string, shown: boolean): NewSealedSecret & { readonly secret: string } => {
    const id = createId('whs')
    const secret = createWebhookSecret()
    return { id, owner, shown, secret, sealed: seal(sealer, owner, id, secret) }
  }
  const open = (owner: string, { id, sealed }: SealedSecret): string => {
    const opened = sealer.open(boundTo(owner, id), sealed)
    const secret = opened.kind === 'opened' ? opened.params['secret'] : undefined
    if (typeof secret === 'string') return secret
    const reason = opened.kind === 'refused' ? opened.reason : 'damaged'
    const message = `The signing secret does not open (${reason}): rotate it.`
    throw new InferqError({ code: 'internal_error', message })
  }
  const ensure = async (owner: string): Promise<void> => {
    const { secret: _, ...row } = make(owner, false)
    await table.insertWebhookSecret(row)
  }

  return {
    async list(owner) {
      const all = await table.webhookSecrets(owner)
      return all.map(({ id, createdAt, expiresAt }) => ({ id, createdAt, expiresAt }))
    },
    async show(owner) {
      await ensure(owner)
      const row = await table.showWebhookSecret(owner)
      if (row === null) {
        const message =
          'The secret was shown before, and is shown once only. POST /v1/webhooks/secret/rotate makes another.'
        throw new InferqError({ code: 'conflict', message })
      }
      return { id: row.id, secret: open(owner, row), createdAt: row.createdAt, previousExpiresAt: null }
    },
    async rotate(owner, graceMs) {
      const { secret, ...row } = make(owner, true)
      return { id: row.id, secret, ...(await table.rotateWebhookSecret(row, graceMs)) }
    },
    async signing(owner) {
      let rows = await table.webhookSecrets(owner)
      if (!rows.some(({ expiresAt }) => expiresAt === null)) {
        await ensure(owner)
        rows = await table.webhookSecrets(owner)
      }
      return rows.flatMap((row) => {
        try {
          return [open(owner, row)]
        } catch (thrown) {
          // One that is on its way out is of no use to anybody when the sealing key has changed.
          if (row.expiresAt === null) throw thrown
          return []
        }
      })
    },
  }
}

function seal(sealer: SecretSealer, owner: string, id: string, secret: string): string {
  try {
    return sealer.seal(boundTo(owner, id), { secret })
  } catch (thrown) {
    const message = 'Signing secrets cannot be kept: the server has no key to seal them with.'
    throw new InferqError({ code: 'internal_error', message }, { cause: thrown })
  }
}

/** A row copied to another owner, or over another, does not open. */
function boundTo(owner: string, id: string): string {
  return `webhook secret ${id} of ${owner}`
}
