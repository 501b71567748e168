import type { Deployment } from '@inferq/config'
import { type ErrorCode, type ErrorDetail, InferqError } from '@inferq/contracts'
import type { CallReport } from '@inferq/health'
import type { AttemptContext } from '../run-attempt.ts'

/** Where a refused call may wait for room, and until when. */
export interface RoomSearch {
  /**
   * The admission to call once more, after a call that ended like this; undefined: the job goes back to the queue, or on. Rejects with
   * the signal's reason.
   */
  again(thrown: unknown): Promise<CallReport | undefined>
}

/** In the queue it would be tried again after as long, and come back through Redis. */
const patienceMs = 2_000
/** Another candidate is to have the job within 3 s of its first failure. */
const patienceWithFallbackMs = 500

const noRoom: ReadonlySet<ErrorCode> = new Set(['upstream_overloaded', 'rate_limit_exceeded'])

/** The upstream had no room for the call, and has produced nothing. */
export function isRefusal({ attempt }: Pick<AttemptContext, 'attempt'>, thrown: unknown): thrown is InferqError {
  return thrown instanceof InferqError && noRoom.has(thrown.code as ErrorCode) && !attempt.writer.shownOutput
}

/**
 * A call that finds no room waits here until another one of the same deployment ends, which takes its place at once. Not where another
 * deployment would take it, and not where the upstream says when to come back.
 */
export function searchForRoom(
  context: AttemptContext,
  { deployment, others }: { readonly deployment: Deployment; readonly others: number },
  signal: AbortSignal,
): RoomSearch {
  const { begun, clock, gate, health, reference } = context
  const hasFallback = begun.record.spec.candidates.length > reference.hop + 1
  const untilMs = clock.monotonic() + (hasFallback ? patienceWithFallbackMs : patienceMs)
  const mayWait = (error: ErrorDetail): boolean =>
    others === 0 && !begun.shown && error.retryAfterSeconds === undefined && clock.monotonic() < untilMs

  return {
    async again(thrown) {
      if (signal.aborted || !isRefusal(context, thrown) || !mayWait(thrown.detail)) return undefined
      const place = { deployment: deployment.id, class: reference.class }
      const hasRoom = await gate.parking.wait(place, untilMs - clock.monotonic(), signal)
      if (!hasRoom) return undefined
      const admission = await health.admit(deployment.id)
      return admission.kind === 'admitted' ? admission.call : undefined
    },
  }
}
