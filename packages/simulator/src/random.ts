/** A source of numbers in [0, 1). The same seed gives the same numbers on every platform. */
export type Random = () => number

const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193

/** FNV-1a over UTF-16 code units, continuing from `hash`. Gives an unsigned 32-bit integer. */
export function hashText(text: string, hash: number = fnvOffset): number {
  let state = hash
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), fnvPrime)
  }
  return state >>> 0
}

/** Mulberry32: small, fast, good enough for words and jitter; not for secrets. */
export function createRandom(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One item of a list that is not empty. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T
}
