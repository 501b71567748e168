/**
 * Money on the wire is a JSON number in USD. The nearest double to a whole number of nano-dollars is written as that
 * number's own digits, so that nothing is lost below nine million dollars.
 */
export function usdOfNano(nanoUsd: number): number {
  return nanoUsd / 1e9
}

/** A price for a token (10^-12 USD) as the price of a million of them. */
export function usdPerMillion(picoUsd: number): number {
  return picoUsd / 1e6
}
