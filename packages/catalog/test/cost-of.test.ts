import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costOf, type Price } from '../src/index.ts'

const rate = fc.integer({ min: 0, max: 1_000_000_000 })
const tokens = fc.integer({ min: 0, max: 20_000_000 })
const cachedRate = fc.option(rate, { nil: undefined })

const price: fc.Arbitrary<Price> = fc
  .record({
    input: rate,
    output: rate,
    cached: cachedRate,
    long: fc.option(fc.record({ above: fc.integer({ min: 1, max: 1_000_000 }), input: rate, output: rate }), {
      nil: undefined,
    }),
  })
  .map(({ input, output, cached, long }) => ({
    inputPicoUsd: input,
    outputPicoUsd: output,
    ...(cached === undefined ? {} : { cachedInputPicoUsd: cached }),
    ...(long === undefined
      ? {}
      : { longPrompt: { aboveTokens: long.above, inputPicoUsd: long.input, outputPicoUsd: long.output } }),
    source: 'config' as const,
  }))

const usage = fc
  .record({ promptTokens: tokens, completionTokens: tokens, share: fc.integer({ min: 0, max: 100 }) })
  .map(({ promptTokens, completionTokens, share }) => ({
    promptTokens,
    completionTokens,
    cachedTokens: Math.floor((promptTokens * share) / 100),
  }))

/** The definition, in numbers without a limit. */
function exact(of: Price, used: { promptTokens: number; completionTokens: number; cachedTokens: number }): bigint {
  const { longPrompt } = of
  const rates = longPrompt !== undefined && used.promptTokens > longPrompt.aboveTokens ? longPrompt : of
  const pico =
    BigInt(used.promptTokens - used.cachedTokens) * BigInt(rates.inputPicoUsd) +
    BigInt(used.cachedTokens) * BigInt(rates.cachedInputPicoUsd ?? rates.inputPicoUsd) +
    BigInt(used.completionTokens) * BigInt(rates.outputPicoUsd)
  return (pico + 500n) / 1000n
}

const gpt: Price = {
  inputPicoUsd: 2_500_000,
  outputPicoUsd: 10_000_000,
  cachedInputPicoUsd: 1_250_000,
  source: 'config',
}

describe('the cost of a call', () => {
  it('is in nano-dollars', () => {
    expect(costOf(gpt, { promptTokens: 1000, completionTokens: 100 })).toBe(3_500_000)
    expect(costOf(gpt, { promptTokens: 1000, completionTokens: 100, cachedTokens: 400 })).toBe(3_000_000)
    expect(costOf(gpt, { promptTokens: 0, completionTokens: 0 })).toBe(0)
  })

  it('is rounded half up, once', () => {
    const tiny: Price = { inputPicoUsd: 250, outputPicoUsd: 250, source: 'config' }
    expect(costOf(tiny, { promptTokens: 1, completionTokens: 0 })).toBe(0)
    expect(costOf(tiny, { promptTokens: 1, completionTokens: 1 })).toBe(1)
    expect(costOf(tiny, { promptTokens: 4, completionTokens: 1 })).toBe(1)
  })

  it('takes the dearer rates for all tokens only when the prompt is longer than the bound', () => {
    const gemini: Price = {
      inputPicoUsd: 1_250_000,
      outputPicoUsd: 10_000_000,
      longPrompt: { aboveTokens: 200_000, inputPicoUsd: 2_500_000, outputPicoUsd: 15_000_000 },
      source: 'catalog',
    }
    expect(costOf(gemini, { promptTokens: 200_000, completionTokens: 10 })).toBe(250_100_000)
    expect(costOf(gemini, { promptTokens: 200_001, completionTokens: 10 })).toBe(500_152_500)
  })

  it('never counts more cached tokens than the prompt has', () => {
    const all = { promptTokens: 100, completionTokens: 0 }
    expect(costOf(gpt, { ...all, cachedTokens: 250 })).toBe(costOf(gpt, { ...all, cachedTokens: 100 }))
  })

  it('equals exact arithmetic, also beyond what a number can hold', () => {
    fc.assert(
      fc.property(price, usage, (of, used) => {
        expect(costOf(of, used)).toBe(Number(exact(of, used)))
      }),
    )
  })

  it('equals exact arithmetic at the edge of what a number can hold', () => {
    const edge: Price = { inputPicoUsd: 1, outputPicoUsd: 1, source: 'config' }
    for (let completionTokens = 0; completionTokens < 2_000; completionTokens += 1) {
      const used = { promptTokens: Number.MAX_SAFE_INTEGER - 1_000, completionTokens, cachedTokens: 0 }
      expect(costOf(edge, used)).toBe(Number(exact(edge, used)))
    }
  })

  it('never falls when more tokens are used, as long as a longer prompt has no lower rate', () => {
    fc.assert(
      fc.property(rate, rate, tokens, tokens, tokens, (input, output, prompt, completion, more) => {
        const of: Price = { inputPicoUsd: input, outputPicoUsd: output, source: 'config' }
        const before = costOf(of, { promptTokens: prompt, completionTokens: completion })
        expect(costOf(of, { promptTokens: prompt + more, completionTokens: completion })).toBeGreaterThanOrEqual(before)
        expect(costOf(of, { promptTokens: prompt, completionTokens: completion + more })).toBeGreaterThanOrEqual(before)
      }),
    )
  })

  it('of two calls together differs from their sum by one nano-dollar at most', () => {
    const few = fc.integer({ min: 0, max: 100_000 })
    fc.assert(
      fc.property(rate, rate, few, few, few, few, (input, output, prompt, completion, otherPrompt, otherCompletion) => {
        const of: Price = { inputPicoUsd: input, outputPicoUsd: output, source: 'config' }
        const apart =
          costOf(of, { promptTokens: prompt, completionTokens: completion }) +
          costOf(of, { promptTokens: otherPrompt, completionTokens: otherCompletion })
        const together = costOf(of, {
          promptTokens: prompt + otherPrompt,
          completionTokens: completion + otherCompletion,
        })
        expect(Math.abs(apart - together)).toBeLessThanOrEqual(1)
      }),
    )
  })
})
