/** Why a running attempt was told to stop; the reason of its AbortSignal. Beside these: LostLockError of the queue. */
export class CancelledError extends Error {
  readonly code = 'cancelled'
}

export class DrainingError extends Error {
  readonly code = 'draining'
}

export class DeadlineReachedError extends Error {
  readonly code = 'deadline_reached'
}

/** A newer attempt, or an end from outside, has fenced this one. */
export class FencedError extends Error {
  readonly code = 'fenced'
}
