import { createRequire } from 'node:module'
import type { ModelInfo, ModelPrice } from '@pydantic/genai-prices'
import { isCertainly } from './certain-match.ts'
import { isMovingName } from './model-name.ts'

const require = createRequire(import.meta.url)
let library: typeof import('@pydantic/genai-prices') | undefined

/** What the price library knows of a model. */
export interface KnownPrice {
  readonly model: ModelInfo
  /** What it is now. */
  readonly price: ModelPrice
  /** In an hour it may be another. */
  readonly changesByHour: boolean
}

/**
 * Null: not known, or not certain which model is meant. `name` in lower case; `at` in ms since the epoch.
 * The library is half a megabyte, and loaded when the first model is asked for: a process without a cloud never does.
 */
export function knownPrice(provider: string, name: string, at: number): KnownPrice | null {
  library ??= require('@pydantic/genai-prices') as typeof import('@pydantic/genai-prices')
  const found = library.calcPrice({}, name, { providerId: provider, timestamp: new Date(at) })
  if (found === null) return null
  const { model } = found
  if (!isCertainly(model, name) || hasMovedOn(name, model, found.provider.models)) return null
  return { model, price: found.model_price, changesByHour: changesByHour(model) }
}

/**
 * A `-latest` in an entry of older versions, while a newer one stands beside it: nobody has said which of the two it is
 * now. An entry of its own is kept up by the list.
 */
function hasMovedOn(name: string, model: ModelInfo, listed: readonly ModelInfo[]): boolean {
  if (!isMovingName(name) || model.id === name) return false
  const stem = name.replace(/latest$/, '')
  return listed.some(({ id }) => id !== model.id && id.startsWith(stem) && /^\d{4,8}$/.test(id.slice(stem.length)))
}

function changesByHour({ prices }: ModelInfo): boolean {
  return Array.isArray(prices) && prices.some(({ constraint }) => constraint?.type === 'time_of_date')
}
