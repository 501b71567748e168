import type { EmbeddingModelV4, SharedV4ProviderOptions } from '@ai-sdk/provider'
import { embeddingList } from '../embedding-list.ts'
import { isVoid, type JsonObject, malformed, refused } from '../json.ts'
import type { EmbeddingOutcome, Upstream } from '../port.ts'
import { missingDefaults } from '../request-defaults.ts'
import { count, settleUsage } from '../usage.ts'
import type { CallGuard } from './call-guard.ts'
import type { SdkWire } from './sdk.ts'

// Titan embeds one text at a time: so many of a call's texts are on their way at once.
const concurrentRequests = 4

export interface EmbedContext {
  readonly upstream: Pick<Upstream, 'defaults' | 'model'>
  readonly wire: SdkWire
  readonly request: Readonly<JsonObject>
  readonly guard: CallGuard
}

/** Embeds every text of the request, in as many requests as the upstream's limit on one makes necessary. */
export async function embedAll(model: EmbeddingModelV4, context: EmbedContext): Promise<EmbeddingOutcome> {
  const { upstream, wire, guard } = context
  const request: JsonObject = { ...context.request, ...missingDefaults(context.request, upstream.defaults ?? {}) }
  const texts = textsOf(request['input'])
  const options = embeddingOptions(request, wire, model.modelId)
  const limit = (await model.maxEmbeddingsPerCall) ?? texts.length
  const groups = Array.from({ length: Math.ceil(texts.length / limit) }, (_, index) =>
    texts.slice(index * limit, (index + 1) * limit),
  )
  const embedGroup = async (values: string[]) => {
    const { embeddings, usage } = await model.doEmbed({ values, ...options, abortSignal: guard.signal })
    if (embeddings.length !== values.length) throw malformed('The upstream did not send one embedding for each input.')
    return { embeddings, tokens: count(usage?.tokens) }
  }
  const answers = await guard.settle(mapConcurrently(groups, embedGroup))
  const counted = answers.every(({ tokens }) => tokens !== undefined)
  const promptTokens = answers.reduce((sum, { tokens }) => sum + (tokens ?? 0), 0)
  const usage = settleUsage({ ...(counted ? { promptTokens } : {}), completionTokens: 0 }, request, () => 0)
  const embeddings = answers.flatMap((answer) => answer.embeddings)
  return { result: embeddingList(model.modelId, embeddings, request['encoding_format'], usage), usage }
}

function textsOf(input: unknown): string[] {
  const texts = Array.isArray(input) ? input : [input]
  if (texts.length > 0 && texts.every((text) => typeof text === 'string')) return texts
  throw refused('input', 'This upstream embeds texts: a string or a list of strings, not tokens.')
}

interface EmbeddingOptions {
  readonly dimensions?: number
  readonly providerOptions: SharedV4ProviderOptions
}

/**
 * `input_type` (Cohere's word), `task_type` (Gemini's), `truncate` and `dimensions` under the names each SDK has for them. A
 * text that is too long is refused, as OpenAI does, unless `truncate` says which end may go; Cohere's own default is to
 * embed a part of it in silence.
 */
function embeddingOptions(request: JsonObject, wire: SdkWire, model: string): EmbeddingOptions {
  const { dimensions } = request
  const size = typeof dimensions === 'number' ? dimensions : undefined
  // LiteLLM's default too: texts to be stored and searched for.
  const inputType = isVoid(request['input_type']) ? 'search_document' : request['input_type']
  const truncate = typeof request['truncate'] === 'string' ? request['truncate'].toUpperCase() : 'NONE'
  switch (wire) {
    case 'gemini': {
      const taskType = request['task_type'] ?? request['task']
      return {
        ...(size === undefined ? {} : { dimensions: size }),
        providerOptions: { google: typeof taskType === 'string' ? { taskType } : {} },
      }
    }
    case 'cohere':
      checkSize(size, cohereSizes)
      return { providerOptions: { cohere: options({ inputType, truncate, outputDimension: size }) } }
    case 'bedrock':
      return { providerOptions: { amazonBedrock: options(bedrockOptions(model, { inputType, truncate, size })) } }
    case 'anthropic':
      throw refused('model', 'Anthropic has no embeddings.')
    default:
      return unknownWire(wire)
  }
}

function bedrockOptions(
  model: string,
  { inputType, truncate, size }: { inputType: unknown; truncate: string; size: number | undefined },
): JsonObject {
  if (model.includes('cohere.embed-')) {
    checkSize(size, cohereSizes)
    return { inputType, truncate, outputDimension: size }
  }
  if (model.includes('amazon.nova-')) {
    checkSize(size, novaSizes)
    return { truncate, embeddingDimension: size }
  }
  checkSize(size, titanSizes)
  return { dimensions: size }
}

// As the vendors document them.
const cohereSizes: readonly number[] = [256, 512, 1_024, 1_536]
const titanSizes: readonly number[] = [256, 512, 1_024]
const novaSizes: readonly number[] = [256, 384, 1_024, 3_072]

function checkSize(size: number | undefined, sizes: readonly number[]): void {
  if (size !== undefined && !sizes.includes(size)) {
    throw refused('dimensions', `This upstream has embeddings of the lengths ${sizes.join(', ')}.`)
  }
}

function options(all: JsonObject): SharedV4ProviderOptions[string] {
  const given = Object.entries(all).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as SharedV4ProviderOptions[string]
}

/** In order, a few at once. The first failure is the outcome. */
async function mapConcurrently<From, To>(items: readonly From[], map: (item: From) => Promise<To>): Promise<To[]> {
  const results: To[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (;;) {
      const index = next
      next += 1
      const item = items[index]
      if (item === undefined) return
      results[index] = await map(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrentRequests, items.length) }, work))
  return results
}

function unknownWire(wire: never): never {
  throw new TypeError(`There are no embeddings for the wire ${String(wire)}.`)
}
