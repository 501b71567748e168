import type { TokenUsage } from '@inferq/contracts'

/**
 * A call's usage shared out by weight, marked as an estimate. The sums of the shares are exactly the call's counts (method of
 * the largest remainder; among equal ones the first).
 */
export function shareUsage(usage: TokenUsage, weights: readonly number[]): readonly TokenUsage[] {
  const prompt = shareOut(usage.promptTokens, weights)
  // Of each share of the prompt no more can have been cached than there is.
  const cached = usage.cachedTokens === undefined ? undefined : shareOut(usage.cachedTokens, prompt)
  return weights.map((_, place) => ({
    promptTokens: prompt[place] ?? 0,
    completionTokens: 0,
    ...(cached === undefined ? {} : { cachedTokens: cached[place] ?? 0 }),
    estimated: true,
  }))
}

/** Whole numbers in proportion to the weights that add up to `whole`. Weights of nothing at all count the same. */
function shareOut(whole: number, weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const exact = weights.map((weight) => (sum === 0 ? whole / weights.length : (whole * weight) / sum))
  const shares = exact.map(Math.floor)
  const missing = whole - shares.reduce((total, share) => total + share, 0)
  const byRemainder = exact
    .map((share, place) => ({ place, remainder: share - Math.floor(share) }))
    .sort((one, other) => other.remainder - one.remainder)
  for (const { place } of byRemainder.slice(0, missing)) shares[place] = (shares[place] ?? 0) + 1
  return shares
}
