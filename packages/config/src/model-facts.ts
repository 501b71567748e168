import { type Capabilities, lookUpModel, type ModelFacts, type Price } from '@inferq/catalog'
import type { DeploymentMode } from './inferq-config.ts'
import { secretName } from './mask.ts'
import { completePrice, costKeys, longCostKeys, readPrice } from './pricing.ts'
import type { Reader } from './reader.ts'
import type { Tree } from './tree.ts'
import { parseUpstreamModel } from './upstream.ts'

/** What is known of a deployment's model: first what the file says, then what is publicly known. */
export interface DeploymentFacts {
  readonly mode?: DeploymentMode
  readonly price?: Price
  readonly contextWindow?: number
  readonly maxOutputTokens?: number
  readonly capabilities: Capabilities
}

/** LiteLLM's names of abilities. */
const abilities: Readonly<Record<string, keyof Capabilities>> = {
  supports_vision: 'vision',
  supports_function_calling: 'tools',
  supports_response_schema: 'jsonSchema',
  supports_reasoning: 'reasoning',
  supports_audio_input: 'audio',
  supports_pdf_input: 'pdf',
}

/** The keys of `model_info` that are read here. */
export const factKeys = [
  ...['mode', 'context_window', 'max_input_tokens', 'max_output_tokens', 'max_tokens', 'base_model', 'pricing'],
  ...costKeys,
  ...longCostKeys,
  ...Object.keys(abilities),
]

interface FactSections {
  readonly info: ReadonlyMap<string, Tree>
  readonly params: ReadonlyMap<string, Tree>
  readonly entry: ReadonlyMap<string, Tree>
}

/** `provider` and `model` as at the upstream; a wildcard is nothing anybody knows. */
export function readFacts(
  { info, params, entry }: FactSections,
  upstream: { readonly provider: string; readonly model: string },
  reader: Reader,
): DeploymentFacts {
  const known = publicFacts(reader.text(info.get('base_model')), upstream)
  const tokens = { min: 1, integer: true }
  const contextWindow = reader.number(info.get('context_window'), tokens)
  const inputWindow = reader.number(info.get('max_input_tokens'), tokens)
  const outputTokens = reader.number(info.get('max_output_tokens'), tokens)
  // LiteLLM's older key: the longest answer, or the window of a model of which nothing else is said.
  const someTokens = reader.number(info.get('max_tokens'), tokens)
  const mode = readMode(info.get('mode'), reader) ?? known?.mode
  const draft = readPrice([params, info, entry], reader)
  const price = completePrice(draft, known?.price, mode === 'embedding')
  if (draft !== undefined && price === undefined) reader.notUsed(draft.place, 'half a price')
  const window = contextWindow ?? inputWindow ?? known?.contextWindow
  const longest = outputTokens ?? (window === undefined ? undefined : someTokens) ?? known?.maxOutputTokens
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(price === undefined ? {} : { price }),
    ...(window === undefined && someTokens === undefined ? {} : { contextWindow: window ?? someTokens ?? 0 }),
    ...(longest === undefined ? {} : { maxOutputTokens: longest }),
    capabilities: { ...known?.capabilities, ...readAbilities(info, reader) },
  }
}

/** `base_model` names the model behind a deployment whose own name says nothing (Azure's). */
function publicFacts(
  baseModel: string | undefined,
  upstream: { readonly provider: string; readonly model: string },
): ModelFacts | null {
  if (baseModel !== undefined) {
    const parsed = parseUpstreamModel(baseModel)
    const provider = parsed.kind === 'known' ? parsed.family.name : upstream.provider
    return lookUpModel(provider, parsed.kind === 'known' ? parsed.name : baseModel)
  }
  return upstream.model.includes('*') ? null : lookUpModel(upstream.provider, upstream.model)
}

/** LiteLLM's modes; those of no use here (images, audio) are refused by the request's shape, not by the file. */
function readMode(tree: Tree | undefined, reader: Reader): DeploymentMode | undefined {
  const allowed = ['chat', 'completion', 'embedding', 'responses', 'image_generation', 'audio_transcription'] as const
  const others = ['audio_speech', 'moderation', 'moderations', 'rerank', 'batch', 'realtime'] as const
  const mode = reader.oneOf(tree, [...allowed, ...others])
  if (mode === undefined) return undefined
  if (mode === 'embedding') return 'embedding'
  if (mode === 'chat' || mode === 'completion' || mode === 'responses') return 'chat'
  if (tree) reader.fault(tree, `"${mode}"`, 'chat or embedding', 'this mode is not supported yet')
  return undefined
}

function readAbilities(info: ReadonlyMap<string, Tree>, reader: Reader): Capabilities {
  const found: { -readonly [K in keyof Capabilities]: boolean } = {}
  for (const [key, ability] of Object.entries(abilities)) {
    const value = reader.flag(info.get(key))
    if (value !== undefined) found[ability] = value
  }
  return found
}

/** A map as it was written, for those who ask: references stay references, and what is named like a secret is left out. */
export function asWritten(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(asWritten)
  const open = tree.entries.filter((entry) => !secretName.test(entry.name))
  return Object.fromEntries(open.map((entry) => [entry.name, asWritten(entry.tree)]))
}
