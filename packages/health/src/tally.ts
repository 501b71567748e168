import type { ErrorCode } from '@inferq/contracts'

/** What one process has seen of a deployment and has not told yet. */
export interface Tally {
  /** Calls that ended with a success or with a failure that counts. */
  readonly calls: number
  readonly failures: number
  /** A success came after failures were known: consecutive ones begin anew. */
  readonly cleared: boolean
  /** Consecutive failures since. */
  readonly streak: number
  /** Of the last failure. */
  readonly reason?: ErrorCode
  /** The deployment asked to be left alone until then (ms since the epoch, by this process's clock). */
  readonly wait?: { readonly until: number; readonly reason: ErrorCode }
  readonly probe?: { readonly token: string; readonly outcome: ProbeOutcome }
}

export type ProbeOutcome = 'succeeded' | 'failed' | 'released'

export const emptyTally: Tally = { calls: 0, failures: 0, cleared: false, streak: 0 }

/** Both as one: first `earlier`, then `later`. Its size does not grow, however long Redis is away. */
export function mergeTallies(earlier: Tally, later: Tally): Tally {
  const reason = later.reason ?? earlier.reason
  const probe = later.probe ?? earlier.probe
  const wait = laterWait(earlier.wait, later.wait)
  return {
    calls: earlier.calls + later.calls,
    failures: earlier.failures + later.failures,
    cleared: earlier.cleared || later.cleared,
    streak: later.cleared ? later.streak : earlier.streak + later.streak,
    ...(reason === undefined ? {} : { reason }),
    ...(wait === undefined ? {} : { wait }),
    ...(probe === undefined ? {} : { probe }),
  }
}

/** Whether it holds more than successes, which can wait for the next turn. */
export function isUrgent(tally: Tally): boolean {
  return tally.failures > 0 || tally.cleared || tally.wait !== undefined || tally.probe !== undefined
}

function laterWait(a: Tally['wait'], b: Tally['wait']): Tally['wait'] {
  if (a === undefined || b === undefined) return a ?? b
  return a.until > b.until ? a : b
}
