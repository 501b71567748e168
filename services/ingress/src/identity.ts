import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { InferqError } from '@inferq/contracts'

/** Who asks. Everything a request makes belongs to `owner`, and only the owner sees it. */
export interface Identity {
  readonly owner: string
  /** May use the operators' routes. */
  readonly admin: boolean
}

/** Finds who a key belongs to. */
export interface Authenticator {
  /** Null: no such key. */
  identify(key: string): Identity | null | Promise<Identity | null>
}

/** The owner of everything made with the master key. */
export const masterOwner = 'master'

/** One key for everything. Compared by digest, so neither content nor length can be timed. */
export function createMasterKeyAuthenticator(masterKey: string): Authenticator {
  const expected = hash('sha256', masterKey, 'buffer')
  const master: Identity = { owner: masterOwner, admin: true }
  return {
    identify: (key) => (timingSafeEqual(hash('sha256', key, 'buffer'), expected) ? master : null),
  }
}

/** Longer than any key; not worth hashing. */
const maxKeyLength = 1_024

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
