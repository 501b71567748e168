import type { CostOf, Price } from './port.ts'

/**
 * What a call costs, in 10^-9 USD: whole pico-dollars are added up and rounded half up, once. Prompts longer than the
 * price's bound pay its dearer rates for all their tokens. Cached tokens are part of the prompt's.
 */
export const costOf: CostOf = (price, { promptTokens, completionTokens, cachedTokens = 0 }) => {
  const rates = ratesFor(price, promptTokens)
  const cached = Math.min(cachedTokens, promptTokens)
  const input = (promptTokens - cached) * rates.inputPicoUsd
  const fromCache = cached * (rates.cachedInputPicoUsd ?? rates.inputPicoUsd)
  const output = completionTokens * rates.outputPicoUsd
  // Each product is exact while the sum is, for none of them is negative.
  const sum = input + fromCache + output
  if (sum < Number.MAX_SAFE_INTEGER) return roundToNano(sum)
  const exactInput = BigInt(promptTokens - cached) * BigInt(rates.inputPicoUsd)
  const exactCached = BigInt(cached) * BigInt(rates.cachedInputPicoUsd ?? rates.inputPicoUsd)
  const exactOutput = BigInt(completionTokens) * BigInt(rates.outputPicoUsd)
  return Number((exactInput + exactCached + exactOutput + 500n) / 1000n)
}

function ratesFor(
  price: Price,
  promptTokens: number,
): Pick<Price, 'inputPicoUsd' | 'outputPicoUsd' | 'cachedInputPicoUsd'> {
  const { longPrompt } = price
  return longPrompt !== undefined && promptTokens > longPrompt.aboveTokens ? longPrompt : price
}

/** By remainder: a quotient with a fraction would already be rounded. */
function roundToNano(pico: number): number {
  const rest = pico % 1000
  return (pico - rest) / 1000 + (rest >= 500 ? 1 : 0)
}
