import type { InferqConfig } from '@inferq/config'
import { type Candidate, type ErrorCode, type ErrorDetail, isRetryable } from '@inferq/contracts'
import { backoffMs } from './backoff.ts'
import { nextCandidate } from './next-candidate.ts'
import { retryKindOf } from './retry-kind.ts'

/** What is known when an attempt has failed. Times in ms since the epoch. */
export interface FailureFacts {
  readonly error: ErrorDetail
  readonly candidates: readonly Candidate[]
  /** The candidate that has failed. */
  readonly hop: number
  /** Attempts at this candidate that count, with the one that has failed. */
  readonly tries: number
  /** Attempts at a candidate, where `retries.attempts` does not say otherwise for this kind of failure. */
  readonly maxAttempts: number
  /** Of the configuration. Attempts it names for what is not retryable by itself make it so. */
  readonly retries?: InferqConfig['retries']
  /** How often this candidate has put the job back without counting. */
  readonly requeues?: number
  /** How often it may. Absent: until the job's deadline. */
  readonly maxRequeues?: number
  /** Since the first failure of this job at this candidate, in ms; 0 for the first. */
  readonly failingForMs?: number
  /** Further deployments of this candidate that have not failed this job and may be called now. */
  readonly otherDeployments?: number
  /** Somebody waits at the other end. */
  readonly interactive?: boolean
  /** Something of this attempt has reached the token log. */
  readonly shownOutput: boolean
  readonly now: number
  /** Not ended by then: expired. */
  readonly finishBy: number
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * What to do next. `requeue` takes the attempt back, `retry` counts it; both come back to the same candidate after
 * `delayMs`, which always ends before `finishBy`. `fallback` goes to candidate `hop` at once.
 */
export type FailureDecision =
  | { readonly move: 'requeue'; readonly delayMs: number }
  | { readonly move: 'retry'; readonly delayMs: number }
  | { readonly move: 'fallback'; readonly hop: number }
  | { readonly move: 'fail' }

/** The upstream had no room: nobody's failure, as long as it has produced nothing. */
const overloaded: ReadonlySet<ErrorCode> = new Set(['upstream_overloaded', 'rate_limit_exceeded'])

/** Another deployment of the same model may have the right key or the model itself. */
const othersHereMayServe: ReadonlySet<ErrorCode> = new Set(['upstream_authentication', 'upstream_not_found'])

/** Not worth another try here, yet another model may do it: this one lacks the room, the licence or the key for it. */
const othersMayServe: ReadonlySet<ErrorCode> = new Set([
  ...['context_length_exceeded', 'content_filter', 'no_deployment', 'answer_rejected', 'cost_limit_exceeded'],
  ...othersHereMayServe,
] as readonly ErrorCode[])

/**
 * With somewhere else to go, nobody waits here for longer than this since the first failure: the fallback is to have the
 * job within 3 s.
 */
const patienceMs = 2000

/** Who waits on a connection hears of a longer `Retry-After`, or a longer wait for a probe, instead of sitting it out. */
export const interactivePatienceMs = 10_000

/** Probes that fail, or take long: for so long since its first failure an interactive job waits for one after the other. */
const waitForProbesMs = 60_000

/** Who has waited for a probe under way comes back soon after its end, however often it has looked. */
const jitterOfProbes = 3

/** However many deployments there are: then a job waits before it is put back once more. */
const requeuesAtOnce = 8

/** Decides after a failed attempt. Pure; the rules are those of the job state machine's table of moves. */
export function decideAfterFailure(facts: FailureFacts): FailureDecision {
  const { code } = facts.error
  if (facts.now >= facts.finishBy) return { move: 'fail' }
  const next = nextCandidate(facts.candidates, facts.hop, facts.error)
  const otherwise: FailureDecision = next === null ? { move: 'fail' } : { move: 'fallback', hop: next }
  const others = facts.otherDeployments ?? 0
  if (code === 'circuit_open') {
    if (mayRequeueAtOnce(facts)) return { move: 'requeue', delayMs: 0 }
    return next === null ? waitForProbe(facts) : otherwise
  }
  if (overloaded.has(code) && !facts.shownOutput) {
    if (!mayRequeue(facts)) return otherwise
    if (mayRequeueAtOnce(facts)) return { move: 'requeue', delayMs: 0 }
    const delayMs = waitMs(facts, (facts.requeues ?? 0) + 1)
    if (delayMs === null || tooLong(facts, delayMs, next)) return otherwise
    return facts.interactive === true && delayMs > interactivePatienceMs ? otherwise : { move: 'requeue', delayMs }
  }
  const attempts = attemptsFor(facts)
  if (!isRetryable(code)) {
    const hasTriesLeft = facts.tries < (attempts ?? facts.maxAttempts)
    if (othersHereMayServe.has(code) && others > 0 && hasTriesLeft) return { move: 'retry', delayMs: 0 }
    if (othersMayServe.has(code) && next !== null) return otherwise
    if (attempts === undefined || facts.tries >= attempts) return { move: 'fail' }
    const delayMs = waitMs(facts, facts.tries)
    return delayMs === null ? { move: 'fail' } : { move: 'retry', delayMs }
  }
  if (facts.tries >= (attempts ?? facts.maxAttempts)) return otherwise
  if (others > 0) return { move: 'retry', delayMs: 0 }
  const delayMs = waitMs(facts, facts.tries)
  return delayMs === null || tooLong(facts, delayMs, next) ? otherwise : { move: 'retry', delayMs }
}

function attemptsFor({ error, retries }: FailureFacts): number | undefined {
  const kind = retryKindOf(error.code)
  return kind === undefined ? undefined : retries?.attempts[kind]
}

function mayRequeue({ requeues = 0, maxRequeues = Number.POSITIVE_INFINITY }: FailureFacts): boolean {
  return requeues < maxRequeues
}

function mayRequeueAtOnce(facts: FailureFacts): boolean {
  return (facts.otherDeployments ?? 0) > 0 && mayRequeue(facts) && (facts.requeues ?? 0) < requeuesAtOnce
}

function tooLong({ failingForMs = 0 }: FailureFacts, delayMs: number, next: number | null): boolean {
  return next !== null && failingForMs + delayMs > patienceMs
}

/** Nowhere else to go: an asynchronous job waits for the circuit, an interactive one for a while, however often it looks. */
function waitForProbe(facts: FailureFacts): FailureDecision {
  const { error, interactive, failingForMs = 0, requeues = 0 } = facts
  const looks = requeues + 1
  if (interactive !== true) {
    const delayMs = mayRequeue(facts) ? waitMs(facts, looks) : null
    return delayMs === null ? { move: 'fail' } : { move: 'requeue', delayMs }
  }
  const askedMs = (error.retryAfterSeconds ?? 0) * 1000
  const delayMs = waitMs(facts, Math.min(looks, jitterOfProbes))
  const isFar = askedMs > interactivePatienceMs || failingForMs + askedMs > waitForProbesMs
  return delayMs === null || isFar ? { move: 'fail' } : { move: 'requeue', delayMs }
}

/**
 * How long to wait; null when there is no time left for it. The upstream's Retry-After is kept to, with some jitter on
 * top so that not all come back at once; our own backoff is shortened to what is left.
 */
function waitMs(facts: FailureFacts, failures: number): number | null {
  const leftMs = Math.ceil(facts.finishBy - facts.now) - 1
  const ownMs = Math.max(backoffMs(failures, facts.random), Math.ceil((facts.retries?.minWaitSeconds ?? 0) * 1000))
  const { retryAfterSeconds } = facts.error
  if (retryAfterSeconds === undefined || !(retryAfterSeconds > 0)) return Math.max(0, Math.min(ownMs, leftMs))
  const askedMs = Math.ceil(retryAfterSeconds * 1000)
  if (askedMs > leftMs) return null
  return Math.min(askedMs + backoffMs(failures, facts.random), leftMs)
}
