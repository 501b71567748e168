/** Twenty times what lies between two tokens: shorter waits are a busy machine's. */
const interruptionMs = 500

/**
 * From the fault until the last interruption of any client was over, in ms; 0: nobody waited 500 ms for the next text.
 * What was on its way when the fault came does not count as recovery. Null: a client got nothing any more before the end of
 * the load. `arrivals`: for each client the moments at which text came, in order.
 */
export function recoveryMs(
  arrivals: readonly (readonly number[])[],
  faultAtMs: number,
  loadEndsAtMs: number,
): number | null {
  let last = 0
  for (const moments of arrivals) {
    let before = faultAtMs
    for (const moment of moments) {
      if (moment <= faultAtMs) continue
      if (moment - before >= interruptionMs) last = Math.max(last, moment - faultAtMs)
      before = moment
    }
    if (loadEndsAtMs - before >= interruptionMs) return null
  }
  return last
}

/**
 * The longest time from the fault on in which no client got any text, in ms; where none came any more, until the end of the
 * load.
 */
export function longestSilenceMs(
  arrivals: readonly (readonly number[])[],
  faultAtMs: number,
  loadEndsAtMs: number,
): number {
  const later = arrivals.flat().filter((moment) => moment > faultAtMs)
  later.sort((a, b) => a - b)
  const end = Math.max(loadEndsAtMs, later.at(-1) ?? loadEndsAtMs)
  let longest = 0
  let before = faultAtMs
  for (const moment of [...later, end]) {
    longest = Math.max(longest, moment - before)
    before = moment
  }
  return longest
}
