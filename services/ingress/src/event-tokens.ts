import { createHmac, timingSafeEqual } from 'node:crypto'
import { InferqError } from '@inferq/contracts'

/** What a token opens: the events of one job, as its owner. */
export interface EventTokenClaim {
  readonly jobId: string
  readonly owner: string
  /** Unix seconds. */
  readonly expiresAt: number
}

/** Tokens for those who cannot send headers. Any ingress with the same secret takes those of another. */
export interface EventTokens {
  sign(claim: EventTokenClaim): string
  /** The owner as whom to read. Throws `invalid_api_key` for a token of another job, of nobody's making, or too old. */
  verify(token: string, jobId: string, nowMs: number): string
}

const pattern = /^(\d{1,12})\.([\w-]{0,1400})\.([\w-]{43})$/

/**
 * `<expires at>.<owner>.<signature>`: the last is HMAC-SHA-256 over job, owner and expiry, in base64url like the owner.
 * @param key asked when it is first needed: making it takes some 60 ms
 */
export function createEventTokens(key: () => Buffer): EventTokens {
  let made: Buffer | undefined
  const signatureOf = ({ jobId, owner, expiresAt }: EventTokenClaim): Buffer => {
    made ??= key()
    // As JSON no part can run into the next.
    return createHmac('sha256', made)
      .update(JSON.stringify(['events', jobId, owner, expiresAt]))
      .digest()
  }

  return {
    sign(claim) {
      const owner = Buffer.from(claim.owner, 'utf8').toString('base64url')
      return `${claim.expiresAt}.${owner}.${signatureOf(claim).toString('base64url')}`
    },
    verify(token, jobId, nowMs) {
      const [, expiry, ownerText, signature] = pattern.exec(token) ?? []
      if (expiry === undefined || ownerText === undefined || signature === undefined) throw refusal()
      const claim = { jobId, owner: Buffer.from(ownerText, 'base64url').toString('utf8'), expiresAt: Number(expiry) }
      if (!timingSafeEqual(signatureOf(claim), Buffer.from(signature, 'base64url'))) throw refusal()
      if (claim.expiresAt * 1000 <= nowMs) throw refusal()
      return claim.owner
    },
  }
}

function refusal(): InferqError {
  return new InferqError({
    code: 'invalid_api_key',
    message: 'This signed URL is not valid, or has expired. Ask for a new one: POST /v1/jobs/{id}/events-url.',
  })
}
