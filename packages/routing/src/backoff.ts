/** First ceiling and highest ceiling of a wait between attempts. */
const baseMs = 250
const capMs = 20_000

/**
 * Exponential backoff with full jitter: a random wait below a ceiling that doubles with every failure. `failures` is at
 * least 1. Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffMs(failures: number, random: () => number): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(30, Math.max(0, failures - 1)))
  return Math.floor(random() * ceiling)
}
