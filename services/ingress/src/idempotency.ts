import { createHash } from 'node:crypto'
import { InferqError } from '@inferq/contracts'
import type { KeyHold } from '@inferq/store'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from './dependencies.ts'
import { identityOf } from './plugins/auth.ts'
import { toDetail } from './submit.ts'

/** A request that makes one thing (a job, a response, a batch), as `withIdempotency` sees it. */
export interface IdempotentRequest {
  /** What is asked for, beside the body: such as `chat`. A key used with another scope is a mismatch. */
  readonly scope: string
  /** What else has to be equal. Default: the body of the request. */
  readonly body?: unknown
  /** A new id, for the thing to make. */
  createId(): string
  /** Makes the thing under this id, and answers. */
  first(id: string): Promise<unknown>
  /** What became of the thing that an earlier request made, or makes. */
  find(id: string): Promise<EarlierThing>
}

export type EarlierThing =
  /** It can be answered with: by waiting for it, or from what was kept. */
  | { readonly kind: 'found'; answer(): Promise<unknown> }
  /** Nobody knows it: it is being made at this moment, or its maker died before. */
  | { readonly kind: 'unknown' }
  /** It is there, and will be readable in a moment. */
  | { readonly kind: 'pending' }
  /** It ended without an answer, or is past its retention: the request is free to be tried anew. */
  | { readonly kind: 'unanswered' }

/** How often somebody looks who waits for another's request. */
const lookEveryMs = 50
/** Beyond the lease, for what is `pending`. */
const patienceMs = 10_000
const maxKeyLength = 255

/**
 * Answers a request, once for each `Idempotency-Key` of its owner: of several with the same key and body, at the same
 * time or one after the other, one makes the thing and all get its answer (`idempotent-replayed: true` says who did not
 * make it). Answers are kept, errors are not: a key whose thing failed, was cancelled or expired may be used again.
 * Without the header it is `first` alone.
 *
 *   claimed ──first()──> found (replayed for 24 h)
 *      │ nobody knows the id, and the lease is over; or it ended unanswered
 *      └──────> claimed anew, for another id
 *
 * Throws `invalid_value` for a key that is none, `idempotency_mismatch` for one that came with another request, and
 * `service_unavailable` where Postgres does not answer: without it nobody can tell who is first.
 */
export async function withIdempotency(
  core: IngressCore,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: IdempotentRequest,
): Promise<unknown> {
  const key = idempotencyKeyOf(request)
  const id = asked.createId()
  if (key === undefined) return asked.first(id)
  const { owner } = identityOf(request)
  const { store, clock, options } = core
  const { idempotencyLeaseMs: leaseMs, idempotencyKeepMs: keepMs } = options
  const body = asked.body === undefined ? request.body : asked.body
  const claim = { owner, key, bodyHash: hashOf(asked.scope, body), subjectId: id, leaseMs, keepMs }
  const giveUpAt = clock.monotonic() + leaseMs + patienceMs
  const makeFirst = (): Promise<unknown> => {
    request.facts.hold = { owner, key, subjectId: id }
    return makeUnder(core, request.facts.hold, asked)
  }

  while (!reply.raw.destroyed) {
    const claimed = await store.claimIdempotencyKey(claim)
    switch (claimed.kind) {
      case 'claimed':
        return makeFirst()
      case 'mismatch': {
        const message = 'This Idempotency-Key was used with another request. Use a new key for each request.'
        throw new InferqError({ code: 'idempotency_mismatch', message, param: 'Idempotency-Key' })
      }
      case 'taken': {
        const { subjectId: from, leaseOver } = claimed
        const earlier: EarlierThing = from === '' ? { kind: 'unknown' } : await asked.find(from)
        if (earlier.kind === 'found') {
          reply.header('idempotent-replayed', 'true')
          return earlier.answer()
        }
        const isFree = earlier.kind === 'unanswered' || (earlier.kind === 'unknown' && leaseOver)
        const unlessMade = earlier.kind === 'unknown'
        if (isFree && (await store.reclaimIdempotencyKey({ owner, key, from, to: id, leaseMs, unlessMade }))) {
          return makeFirst()
        }
        if (clock.monotonic() > giveUpAt) {
          const message = 'The answer to this Idempotency-Key is being recorded.'
          throw new InferqError({ code: 'service_unavailable', message, retryAfterSeconds: 1 })
        }
        await pause(core, reply)
        break
      }
      default:
        claimed satisfies never
    }
  }
  // The client is gone while it waited for another's answer: there is nobody to tell.
  return reply.hijack()
}

/**
 * A request that is refused has made nothing: its key is free at once. Where Postgres did not answer nobody knows yet; its
 * client does not wait until somebody does. Left alone, the key is free when its lease is over.
 */
async function makeUnder(core: IngressCore, hold: KeyHold, asked: IdempotentRequest): Promise<unknown> {
  try {
    return await asked.first(hold.subjectId)
  } catch (thrown) {
    const released = releaseUnlessMade(core, hold, asked)
    if (toDetail(thrown).code === 'service_unavailable') core.background.run('release-idempotency-key', released)
    else await released.catch((): void => {})
    throw thrown
  }
}

async function releaseUnlessMade({ store }: IngressCore, hold: KeyHold, asked: IdempotentRequest): Promise<void> {
  const made = await asked.find(hold.subjectId)
  if (made.kind === 'unknown' || made.kind === 'unanswered') await store.releaseIdempotencyKey(hold)
}

/** The key of a request, undefined without one. Throws `invalid_value`. */
export function idempotencyKeyOf(request: Pick<FastifyRequest, 'headers'>): string | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && key !== '' && key.length <= maxKeyLength) return key
  throw new InferqError({
    code: 'invalid_value',
    message: `Invalid value for 'Idempotency-Key': must have 1 to ${maxKeyLength} characters.`,
    param: 'Idempotency-Key',
  })
}

/** The same for bodies that differ in the order of their fields, and in white space, alone. */
export function hashOf(scope: string, body: unknown): string {
  return createHash('sha256').update(scope).update('\n').update(canonicalJson(body)).digest('base64url')
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, sortFields) ?? ''
}

function sortFields(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Until it is time to look again, or nobody is there any more. */
function pause(core: IngressCore, reply: FastifyReply): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      reply.raw.off('close', done)
      resolve()
    }
    const cancel = core.clock.after(lookEveryMs, done)
    reply.raw.once('close', done)
  })
}
