import type { Clock, Log } from '@inferq/runtime'

const quietMs = 10_000

/** Warns of something that may happen many times a second: at once, then at most every ten seconds, with how often it was not told. */
export function createQuietWarning(log: Log, clock: Clock, event: string): (facts: object) => void {
  let toldAt = Number.NEGATIVE_INFINITY
  let untold = 0
  return (facts) => {
    if (clock.monotonic() - toldAt < quietMs) {
      untold++
      return
    }
    toldAt = clock.monotonic()
    log.warn({ ...facts, more: untold }, event)
    untold = 0
  }
}
