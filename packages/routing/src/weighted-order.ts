/**
 * A random order in which each item comes first as often as its weight says, then each of the others by theirs, and so
 * on: everyone draws a waiting time of mean 1 / weight, and the shortest is first (Efraimidis and Spirakis, Weighted
 * random sampling with a reservoir, 2006). Items of weight 0 come last, in a random order.
 */
export function shuffledByWeight<T extends { readonly weight: number }>(
  items: readonly T[],
  random: () => number,
): readonly T[] {
  if (items.length < 2) return items
  return byScore(items, () => 0, random)
}

/**
 * Lowest first. Equal ones in an order drawn by weight, or, without `random`, in the order they come in. A score that is
 * no number is the highest.
 */
export function byScore<T extends { readonly weight: number }>(
  items: readonly T[],
  score: (item: T) => number,
  random?: () => number,
): readonly T[] {
  const drawn = items.map((item, place) => ({
    item,
    score: finite(score(item)),
    draw: random === undefined ? place : waitingTime(item.weight, random),
  }))
  drawn.sort((a, b) => (a.score === b.score ? a.draw - b.draw : a.score < b.score ? -1 : 1))
  return drawn.map(({ item }) => item)
}

/** Exponentially distributed, of mean 1 / weight; longer than any other for a weight of 0. Never infinite. */
export function waitingTime(weight: number, random: () => number): number {
  const drawn = random()
  if (!(weight > 0)) return longest * (1 + drawn)
  // 1 - [0, 1) is never 0, of which there is no logarithm.
  return Math.min(longest, -Math.log(1 - drawn) / weight)
}

const longest = 1e300

function finite(score: number): number {
  return Number.isNaN(score) ? Number.POSITIVE_INFINITY : score
}
