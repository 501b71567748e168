/** Value below which the share `p` (0 to 1) of the values lie, the next larger one where none fits. NaN of nothing. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Math.ceil(p * sorted.length) - 1
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank))] ?? Number.NaN
}

/** The middle value, or the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  return upper === undefined || lower === undefined ? Number.NaN : (lower + upper) / 2
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** What repeated measurements of one thing say. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export function percentilesOf(values: readonly number[]): Percentiles {
  return { p50: percentile(values, 0.5), p90: percentile(values, 0.9), p99: percentile(values, 0.99) }
}

/** The differences of two series, value by value: what the first costs more in the same round. */
export function differences(values: readonly number[], base: readonly number[]): number[] {
  if (values.length !== base.length) throw new Error(`${values.length} values against ${base.length}`)
  return values.map((value, index) => value - (base[index] ?? Number.NaN))
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32), so that an order can be had again. */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The items in an order drawn from `random` (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items]
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    const taken = order[last] as T
    order[last] = order[other] as T
    order[other] = taken
  }
  return order
}

/**
 * The order of a repeat: nobody always comes first, or always after the same one. It turns by one each time, and runs
 * backwards every other time.
 */
export function alternated<T>(items: readonly T[], repeat: number): T[] {
  const turn = items.length === 0 ? 0 : repeat % items.length
  const order = [...items.slice(turn), ...items.slice(0, turn)]
  return repeat % 2 === 0 ? order : order.toReversed()
}
