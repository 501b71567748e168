import { type ErrorCode, type ErrorDetail, isRetryable } from '@inferq/contracts'
import { backoffMs } from './backoff.ts'

/** What is known when an attempt has failed. Times in ms since the epoch. */
export interface FailureFacts {
  readonly error: ErrorDetail
  /** Attempts that count, with the one that has failed. */
  readonly tries: number
  readonly maxAttempts: number
  /** How often this job was put back without counting. */
  readonly requeues?: number
  /** How often it may be. Absent: until its deadline. */
  readonly maxRequeues?: number
  /** Something of this attempt has reached the token log. */
  readonly shownOutput: boolean
  readonly now: number
  /** Not ended by then: expired. */
  readonly finishBy: number
  /** In [0, 1). */
  readonly random: () => number
  readonly isLastCandidate: boolean
}

/**
 * What to do next. `requeue` takes the attempt back, `retry` counts it; both come back to the same candidate after
 * `delayMs`, which always ends before `finishBy`. `fallback` goes to the next candidate at once.
 */
export type FailureDecision =
  | { readonly move: 'requeue'; readonly delayMs: number }
  | { readonly move: 'retry'; readonly delayMs: number }
  | { readonly move: 'fallback' }
  | { readonly move: 'fail' }

/** The upstream had no room: nobody's failure, as long as it has produced nothing. */
const overloaded: ReadonlySet<ErrorCode> = new Set(['upstream_overloaded', 'rate_limit_exceeded'])

/** Not worth another try here, yet another model may do it: this one lacks the room, the licence or the key for it. */
const othersMayServe: ReadonlySet<ErrorCode> = new Set([
  'context_length_exceeded',
  'content_filter',
  'upstream_authentication',
  'upstream_not_found',
  'no_deployment',
])

/** Decides after a failed attempt. Pure; the rules are those of the job state machine's table of moves. */
export function decideAfterFailure(facts: FailureFacts): FailureDecision {
  const { code } = facts.error
  const otherwise: FailureDecision = facts.isLastCandidate ? { move: 'fail' } : { move: 'fallback' }
  if (facts.now >= facts.finishBy) return { move: 'fail' }
  if (overloaded.has(code) && !facts.shownOutput) {
    if ((facts.requeues ?? 0) >= (facts.maxRequeues ?? Number.POSITIVE_INFINITY)) return otherwise
    const delayMs = waitMs(facts, (facts.requeues ?? 0) + 1)
    return delayMs === null ? otherwise : { move: 'requeue', delayMs }
  }
  if (!isRetryable(code)) return othersMayServe.has(code) ? otherwise : { move: 'fail' }
  if (facts.tries >= facts.maxAttempts) return otherwise
  const delayMs = waitMs(facts, facts.tries)
  return delayMs === null ? otherwise : { move: 'retry', delayMs }
}

/**
 * How long to wait; null when there is no time left for it. The upstream's Retry-After is kept to, with some jitter on
 * top so that not all come back at once; our own backoff is shortened to what is left.
 */
function waitMs(facts: FailureFacts, failures: number): number | null {
  const leftMs = Math.ceil(facts.finishBy - facts.now) - 1
  const ownMs = backoffMs(failures, facts.random)
  const { retryAfterSeconds } = facts.error
  if (retryAfterSeconds === undefined || !(retryAfterSeconds > 0)) return Math.max(0, Math.min(ownMs, leftMs))
  const askedMs = Math.ceil(retryAfterSeconds * 1000)
  if (askedMs > leftMs) return null
  return Math.min(askedMs + ownMs, leftMs)
}
