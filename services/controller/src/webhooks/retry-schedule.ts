import type { DeliveryError } from '@inferq/contracts'
import type { AttemptOutcome } from '@inferq/store'

/** What became of one attempt to deliver. */
export type SendResult =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfterMs?: number }
  | { readonly kind: 'failed'; readonly error: DeliveryError }

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/**
 * Waits after the first, second, … attempt, in ms, as Standard Webhooks suggests; the last goes on. Eight attempts take 28
 * to 33 hours.
 */
export const retryWaitsMs: readonly number[] = [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour]
/** However long a receiver asks for. */
const longestAskedMs = 10 * hour

/** What follows an attempt. Pure. `attempt`: 1, 2, … since the delivery was made or replayed; `random` in [0, 1). */
export function afterAttempt(options: {
  readonly result: SendResult
  readonly attempt: number
  readonly maxAttempts: number
  readonly waitsMs: readonly number[]
  readonly random: number
}): AttemptOutcome['next'] {
  const { result, attempt, maxAttempts, waitsMs, random } = options
  if (result.kind === 'answered') {
    if (result.status >= 200 && result.status < 300) return { kind: 'delivered' }
    // "Gone": the receiver asks not to be told any more.
    if (result.status === 410) return { kind: 'failed' }
  }
  if (attempt >= maxAttempts) return { kind: 'abandoned' }
  const wait = waitsMs[Math.min(attempt, waitsMs.length) - 1] ?? 0
  const asked = result.kind === 'answered' ? (result.retryAfterMs ?? 0) : 0
  // A fifth at random, so that what failed together does not come back together.
  return { kind: 'retry', inMs: Math.round(Math.max(wait * (1 + random / 5), Math.min(asked, longestAskedMs))) }
}

/** `Retry-After`: seconds or a date. Undefined for anything else. */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * second
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
