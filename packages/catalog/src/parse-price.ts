import type { ModelPrice } from '@pydantic/genai-prices'
import type { Price } from './port.ts'

/**
 * What a price may consist of for tokens in and out to tell the cost of a call. The other parts bill something that a
 * usage of tokens does not show (requests, spoken answers, images, pages), so that their cost would come out too low.
 * Left aside: writing to a cache, searches, and a dearer rate for audio in the prompt.
 */
const understood: ReadonlySet<string> = new Set([
  ...['input_mtok', 'output_mtok', 'cache_read_mtok', 'cache_write_mtok', 'cache_write_1h_mtok'],
  ...['web_searches_kcount', 'storage_searches_kcount', 'input_audio_mtok', 'cache_audio_read_mtok'],
])

/** One dollar for a million tokens is a millionth of a dollar each. */
const picoUsdPerMillionth = 1_000_000

interface Rate {
  readonly base: number
  readonly long: number
  /** Where `long` begins to count; undefined: nowhere. */
  readonly above: number | undefined
}

/**
 * A price of the library (USD for a million tokens) as ours. Undefined where tokens alone do not tell what a call costs.
 * `answersInTokens`: it has an output to be paid for; embeddings have none.
 */
export function parsePrice(given: ModelPrice, answersInTokens: boolean): Price | undefined {
  if (Object.entries(given).some(([key, value]) => value !== undefined && !understood.has(key))) return undefined
  const input = rateOf(given['input_mtok'])
  const output = given['output_mtok'] === undefined && !answersInTokens ? free : rateOf(given['output_mtok'])
  if (input === undefined || output === undefined) return undefined
  const cached = given['cache_read_mtok'] === undefined ? undefined : rateOf(given['cache_read_mtok'])
  if (cached === undefined && given['cache_read_mtok'] !== undefined) return undefined
  const bounds = new Set([input, output, cached].flatMap((rate) => rate?.above ?? []))
  if (bounds.size > 1) return undefined
  const [aboveTokens] = bounds
  return {
    inputPicoUsd: input.base,
    outputPicoUsd: output.base,
    ...(cached === undefined ? {} : { cachedInputPicoUsd: cached.base }),
    ...(aboveTokens === undefined
      ? {}
      : {
          longPrompt: {
            aboveTokens,
            inputPicoUsd: input.long,
            outputPicoUsd: output.long,
            ...(cached === undefined ? {} : { cachedInputPicoUsd: cached.long }),
          },
        }),
    source: 'catalog',
  }
}

const free: Rate = { base: 0, long: 0, above: undefined }

/** Undefined: not a rate, or one with more steps than a price of ours has. */
function rateOf(value: ModelPrice[string]): Rate | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number') {
    const pico = toPico(value)
    return pico === undefined ? undefined : { base: pico, long: pico, above: undefined }
  }
  const [tier, ...more] = value.tiers
  const base = toPico(value.base)
  if (base === undefined || more.length > 0) return undefined
  if (tier === undefined) return { base, long: base, above: undefined }
  const long = toPico(tier.price)
  return long === undefined ? undefined : { base, long, above: tier.start }
}

/** Dollars for a million tokens are decimals: rounding only takes away what a float added. */
function toPico(usdPerMillion: number): number | undefined {
  const pico = Math.round(usdPerMillion * picoUsdPerMillionth)
  return Number.isSafeInteger(pico) && pico >= 0 ? pico : undefined
}
