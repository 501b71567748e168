import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import type { DeliveryError, DeliveryErrorCode } from '@inferq/contracts'
import { type Clock, orAborted } from '@inferq/runtime'
import { type AddressPolicy, checkWebhookUrl, hostOf, isAllowedAddress } from '@inferq/webhooks'
import { Client } from 'undici'
import { parseRetryAfter, type SendResult } from './retry-schedule.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** Looks a name up. Rejects when it has no address. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>

export interface Sender {
  /** One POST. Never throws but when `signal` is aborted before an answer: with its reason. */
  send(request: SendRequest): Promise<SendResult>
}

export interface SendRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal: AbortSignal
}

/** What is read of an answer's body before the connection is closed; nobody looks at it. */
const maxBodyBytes = 64 * 1024

/** The system's resolver, with the hosts file. */
export const resolveName: Resolve = (host) => lookup(host, { all: true, verbatim: true })

/**
 * Sends to public addresses only, or where the policy allows. Each attempt looks the name up once, and connects to an
 * address that was looked at, over a connection of its own: a name that means something else a moment later (DNS rebinding)
 * changes nothing. Redirects are answers like any other: nobody follows them. No proxy of the environment is used.
 */
export function createSender(options: {
  policy(): AddressPolicy
  readonly resolve: Resolve
  readonly clock: Clock
}): Sender {
  const { policy, resolve, clock } = options

  const addressesOf = async (host: string, signal: AbortSignal): Promise<readonly ResolvedAddress[]> => {
    const family = isIP(host)
    return family === 0 ? orAborted(resolve(host), signal) : [{ address: host, family }]
  }

  return {
    async send({ url: text, headers, body, signal }) {
      const rules = policy()
      const checked = checkWebhookUrl(text, rules)
      if (checked.kind === 'refused') return failure('address_refused', `The URL ${checked.reason}.`)
      const { url } = checked
      let addresses: readonly ResolvedAddress[]
      try {
        addresses = await addressesOf(hostOf(url), signal)
      } catch (thrown) {
        signal.throwIfAborted()
        return failure('unresolved', `The name could not be looked up${codeOf(thrown)}.`)
      }
      const allowed = addresses.filter(({ address }) => isAllowedAddress(address, rules))
      if (allowed.length === 0) return failure('address_refused', 'The name leads to a private address.')

      const client = new Client(url.origin, { connect: { lookup: pinnedTo(allowed) } })
      try {
        const path = `${url.pathname}${url.search}`
        const response = await client.request({ method: 'POST', path, headers, body, signal })
        await drain(response.body)
        const { 'retry-after': retryAfter } = response.headers
        const asked = typeof retryAfter === 'string' ? parseRetryAfter(retryAfter, clock.now()) : undefined
        const answered = { kind: 'answered', status: response.statusCode } as const
        return asked === undefined ? answered : { ...answered, retryAfterMs: asked }
      } catch (thrown) {
        signal.throwIfAborted()
        return failure('unreachable', `The connection failed${codeOf(thrown)}.`)
      } finally {
        await client.destroy().catch((): void => {})
      }
    },
  }
}

/** A lookup that knows nothing but these: what was looked at is what is connected to. */
function pinnedTo(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses
    if (options.all) callback(null, [...addresses])
    else if (first === undefined) callback(new Error('no address'), '')
    else callback(null, first.address, first.family)
  }
}

/** The status has been told: whatever happens to the body changes nothing. */
async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > maxBodyBytes) return
    }
  } catch {}
}

function failure(code: DeliveryErrorCode, message: string): SendResult {
  const error: DeliveryError = { code, message }
  return { kind: 'failed', error }
}

/** The code of a system's error, such as ` (ECONNREFUSED)`. Its message may hold what was sent. */
function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) ? ` (${code})` : ''
}
