import type { ModelPrice } from '@pydantic/genai-prices'
import { knownLimits } from './known-limits.ts'
import { knownPrice } from './known-prices.ts'
import { isMovingName, listedName } from './model-name.ts'
import { parsePrice } from './parse-price.ts'
import type { LookUpModel, ModelFacts } from './port.ts'
import { sourceNamesOf } from './provider-names.ts'

/**
 * What is publicly known of a model; null where nothing is, or where it is not certain which one is meant.
 * `at` (ms since the epoch) decides which of a model's prices is in force.
 */
export const lookUpModel = ((provider: string, model: string, at: number = Date.now()): ModelFacts | null => {
  const names = sourceNamesOf(provider)
  if (names === undefined) return null
  const name = listedName(provider, model)
  const priced = names.prices === undefined ? null : knownPrice(names.prices, name, at)
  const limits = names.limits === undefined || isMovingName(name) ? null : knownLimits(names.limits, name)
  if (priced === null && limits === null) return null
  const mode = priced === null ? undefined : modeOf(name, names.prices, priced.price)
  // A deployment keeps the price it was given when the configuration was loaded.
  const price = priced === null || priced.changesByHour ? undefined : parsePrice(priced.price, mode !== 'embedding')
  // The price list is the fresher of the two.
  const contextWindow = priced?.model.context_window ?? limits?.contextWindow
  return {
    ...(price === undefined ? {} : { price }),
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(limits?.maxOutputTokens === undefined ? {} : { maxOutputTokens: limits.maxOutputTokens }),
    ...(mode === undefined ? {} : { mode }),
    capabilities: limits?.capabilities ?? {},
  }
}) satisfies LookUpModel

const embeddingName = /embed|(?:^|[/-])(?:bge|gte|e5)-/

/** No list says it: by what it is paid for, and for embeddings by the name as well (rerankers are paid alike). */
function modeOf(name: string, pricedBy: string | undefined, price: ModelPrice): ModelFacts['mode'] {
  if (embeddingName.test(name) && !name.includes('rerank')) return 'embedding'
  if (price['output_mtok'] !== undefined) return 'chat'
  return pricedBy === 'voyageai' && !name.startsWith('rerank') ? 'embedding' : undefined
}
