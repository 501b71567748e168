import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { InferqError } from '@inferq/contracts'

/** Who asks. Everything a request makes belongs to `owner`, and only the owner sees it. */
export interface Identity {
  readonly owner: string
  /** May use the operators' routes. */
  readonly admin: boolean
  /** For routing: the key's id, its user and team, and what it was given (`user_tier`, `task_type`, `tags`, …). */
  readonly key?: string
  readonly user?: string
  readonly team?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** Whose jobs somebody may see and act on, one by one; null: everybody's. */
export function ownerWithinReach({ owner, admin }: Identity): string | null {
  return admin ? null : owner
}

/** Finds who a key belongs to. */
export interface Authenticator {
  /** Null: no such key. */
  identify(key: string): Identity | null | Promise<Identity | null>
}

/** The owner of everything made with the master key. */
const masterOwner = 'master'

/** One key for everything. Compared in the same time whatever was sent, its length included. */
export function createMasterKeyAuthenticator(masterKey: string): Authenticator {
  const expected = padded(Buffer.alloc(paddedBytes), masterKey)
  const scratch = Buffer.alloc(paddedBytes)
  const master: Identity = { owner: masterOwner, admin: true }
  return {
    identify: (key) => (timingSafeEqual(padded(scratch, key), expected) ? master : null),
  }
}

/** Longer than any key. */
const maxKeyLength = 512
/** Of UTF-8, with room for the longest key. (A digest would do as well, for 4 µs a request.) */
const paddedBytes = 3 * maxKeyLength

function padded(buffer: Buffer, key: string): Buffer {
  if (key.length > maxKeyLength) throw new Error(`a key has at most ${maxKeyLength} characters`)
  return buffer.fill(0, buffer.write(key))
}

/** The key of a request: `Authorization: Bearer …` or `x-api-key`. Throws `invalid_api_key` when there is none. */
export function keyOf(headers: IncomingHttpHeaders): string {
  const { authorization } = headers
  const key =
    authorization !== undefined && /^bearer /i.test(authorization)
      ? authorization.slice(7).trim()
      : headers['x-api-key']
  if (typeof key !== 'string' || key === '') {
    throw new InferqError({
      code: 'invalid_api_key',
      message: 'You did not provide an API key. Send it as `Authorization: Bearer <key>`.',
    })
  }
  if (key.length > maxKeyLength) throw wrongKey()
  return key
}

export function wrongKey(): InferqError {
  return new InferqError({ code: 'invalid_api_key', message: 'Incorrect API key provided.' })
}
