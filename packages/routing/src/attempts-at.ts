import type { AttemptRecord } from '@inferq/contracts'

/** What the attempts of a job say of one of its candidates. */
export interface AttemptsAt {
  /** That count: all but those put back. */
  readonly tries: number
  readonly requeues: number
  /** Deployments that have failed this job here, each once: with room lacking or otherwise. */
  readonly failed: readonly string[]
  /** Since the first failure, in ms; 0 when there was none. */
  readonly failingForMs: number
}

/** `now` in ms since the epoch. The running attempt, which has no outcome yet, counts as a try. */
export function attemptsAt(attempts: readonly AttemptRecord[], hop: number, now: number): AttemptsAt {
  const here = attempts.filter((attempt) => attempt.hop === hop)
  const requeues = here.filter(({ outcome }) => outcome === 'requeued').length
  const failures = here.filter(({ error, outcome }) => error !== undefined || outcome === 'lost')
  const firstFailure = Math.min(...failures.map(({ endedAt, startedAt }) => endedAt ?? startedAt))
  return {
    tries: here.length - requeues,
    requeues,
    failed: [...new Set(failures.flatMap(({ deployment }) => deployment ?? []))],
    failingForMs: failures.length === 0 ? 0 : Math.max(0, now - firstFailure),
  }
}
