/** Numbers in [0, 1); the same seed gives the same ones everywhere. Mulberry32: small, and good enough to draw faults. */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One of a list that is not empty. */
export function pick<T>(random: () => number, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T
}

/** A whole number from `min` to `max`, both included. */
export function between(random: () => number, [min, max]: readonly [min: number, max: number]): number {
  return min + Math.floor(random() * (max - min + 1))
}

/** The same things in another order. */
export function shuffle<T>(random: () => number, items: readonly T[]): T[] {
  const drawn = items.map((item) => ({ item, place: random() }))
  return drawn.toSorted((a, b) => a.place - b.place).map(({ item }) => item)
}
