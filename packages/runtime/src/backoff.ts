export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * The wait before try number `attempt` (1, 2, …): doubling from `firstMs` up to `maxMs`, of which the upper half is
 * random, so that many who failed together do not come back together. `random` gives 0 ≤ n < 1.
 */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number): number {
  const ceiling = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(Math.max(0, attempt - 1), 30))
  return Math.round(ceiling / 2 + (ceiling / 2) * random())
}
