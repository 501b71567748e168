import type { Price } from '@inferq/catalog'
import type { Reader } from './reader.ts'
import type { Tree } from './tree.ts'

/** LiteLLM's keys, in USD per token; they stand in `litellm_params` or in `model_info`. */
export const costKeys = ['input_cost_per_token', 'output_cost_per_token', 'cache_read_input_token_cost']
const longSizes = [128, 200, 256, 272]
/** LiteLLM's keys for prompts above so many thousand tokens. */
export const longCostKeys = longSizes.flatMap((size) => [
  `input_cost_per_token_above_${size}k_tokens`,
  `output_cost_per_token_above_${size}k_tokens`,
  `cache_read_input_token_cost_above_${size}k_tokens`,
])

/** A dollar for a token is dearer than anything: whoever says more has the unit wrong. */
const perToken = { min: 0, max: 1 }
const perThousand = { min: 0, max: 1_000 }

type Section = ReadonlyMap<string, Tree>

/** A price as a file says it, either side of it perhaps left out. */
export interface PriceDraft {
  readonly input?: number
  readonly output?: number
  readonly cachedInput?: number
  readonly longPrompt?: Omit<NonNullable<Price['longPrompt']>, never>
  /** Where it stands. */
  readonly place: Tree
}

/**
 * The price of an entry: its costs per token, or `pricing: {input, output}` in USD per 1,000 tokens. The first section that
 * says something wins, each key by itself.
 */
export function readPrice(sections: readonly Section[], reader: Reader): PriceDraft | undefined {
  const found = (key: string): Tree | undefined => sections.map((section) => section.get(key)).find(Boolean)
  const cost = (key: string): number | undefined => pico(reader.number(found(key), perToken))
  const pricing = readPricing(found('pricing'), reader)
  const input = cost('input_cost_per_token') ?? pricing?.input
  const output = cost('output_cost_per_token') ?? pricing?.output
  const cachedInput = cost('cache_read_input_token_cost') ?? pricing?.cachedInput
  const longPrompt = readLongPrompt(cost)
  const place = [...costKeys, 'pricing'].map(found).find(Boolean)
  if (place === undefined || (input === undefined && output === undefined)) return undefined
  return {
    place,
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    ...(cachedInput === undefined ? {} : { cachedInput }),
    ...(longPrompt === undefined ? {} : { longPrompt }),
  }
}

/** `{input, output, cached_input}` in USD per 1,000 tokens. */
export function readPricing(tree: Tree | undefined, reader: Reader): PriceDraft | undefined {
  const values = reader.section(tree, { acts: ['input', 'output', 'cached_input'] })
  if (tree === undefined || values === undefined) return undefined
  const cost = (key: string): number | undefined => pico(reader.number(values.get(key), perThousand), 1e9)
  const input = cost('input')
  const output = cost('output')
  const cachedInput = cost('cached_input')
  return {
    place: tree,
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    ...(cachedInput === undefined ? {} : { cachedInput }),
  }
}

/**
 * What a deployment costs: what the file says, completed by what is known of the model; undefined where a side is known to
 * nobody, for half a price would be taken for a whole one. Embeddings have no output.
 */
export function completePrice(
  draft: PriceDraft | undefined,
  known: Price | undefined,
  isEmbedding: boolean,
): Price | undefined {
  if (draft === undefined) return known
  const inputPicoUsd = draft.input ?? known?.inputPicoUsd
  const outputPicoUsd = draft.output ?? (isEmbedding ? 0 : known?.outputPicoUsd)
  if (inputPicoUsd === undefined || outputPicoUsd === undefined) return undefined
  return {
    inputPicoUsd,
    outputPicoUsd,
    ...(draft.cachedInput === undefined ? {} : { cachedInputPicoUsd: draft.cachedInput }),
    ...(draft.longPrompt === undefined ? {} : { longPrompt: draft.longPrompt }),
    source: 'config',
  }
}

/** A price has one step; of several the lowest, from which on the model is dearer. */
function readLongPrompt(cost: (key: string) => number | undefined): PriceDraft['longPrompt'] {
  for (const size of longSizes) {
    const inputPicoUsd = cost(`input_cost_per_token_above_${size}k_tokens`)
    const outputPicoUsd = cost(`output_cost_per_token_above_${size}k_tokens`)
    const cachedInputPicoUsd = cost(`cache_read_input_token_cost_above_${size}k_tokens`)
    if (inputPicoUsd === undefined || outputPicoUsd === undefined) continue
    const cached = cachedInputPicoUsd === undefined ? {} : { cachedInputPicoUsd }
    return { aboveTokens: size * 1_000, inputPicoUsd, outputPicoUsd, ...cached }
  }
  return undefined
}

function pico(usd: number | undefined, picoPerUnit = 1e12): number | undefined {
  return usd === undefined ? undefined : Math.round(usd * picoPerUnit)
}
