import type { TokenUsage } from '@inferq/contracts'
import { isObject, type JsonObject, malformed } from './json.ts'
import { count } from './usage.ts'

/** OpenAI's embeddings object. `encoding`: the request's `encoding_format`. */
export function embeddingList(
  model: string,
  embeddings: readonly (readonly number[])[],
  encoding: unknown,
  usage: TokenUsage,
): JsonObject {
  return {
    object: 'list',
    data: embeddings.map((embedding, index) => ({
      object: 'embedding',
      index,
      embedding: encoding === 'base64' ? toBase64(embedding) : embedding,
    })),
    model,
    usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens },
  }
}

/**
 * An upstream's embeddings as the client asked for them: one for each input, in the order of the inputs, in the encoding
 * it named, whichever the upstream has. Throws `upstream_malformed`.
 * @param inputs how many the request has
 */
export function embeddingsAsAsked(result: Readonly<JsonObject>, encoding: unknown, inputs: number): JsonObject {
  const { data } = result
  if (!Array.isArray(data) || data.length !== inputs) throw notOneForEach()
  const places: (JsonObject | undefined)[] = new Array(inputs).fill(undefined)
  for (const [place, item] of data.entries()) {
    if (!isObject(item)) throw notOneForEach()
    const index = item['index'] === undefined ? place : item['index']
    // A place that is none, or taken: `in` knows neither a fraction nor what is negative.
    if (typeof index !== 'number' || !(index in places) || places[index] !== undefined) throw notOneForEach()
    places[index] = { ...item, object: 'embedding', index, embedding: encoded(item['embedding'], encoding) }
  }
  return { ...result, data: places }
}

/** An embeddings usage has no completion; what was settled stands in for a count that is missing. */
export function withEmbeddingUsage(result: Readonly<JsonObject>, promptTokens: number): JsonObject {
  const { usage } = result
  if (isObject(usage) && count(usage['prompt_tokens']) !== undefined && count(usage['total_tokens']) !== undefined) {
    return result
  }
  const counts = { prompt_tokens: promptTokens, total_tokens: promptTokens }
  return { ...result, usage: isObject(usage) ? { ...usage, ...counts } : counts }
}

function encoded(embedding: unknown, encoding: unknown): unknown {
  if (typeof embedding === 'string') return encoding === 'base64' ? embedding : fromBase64(embedding)
  if (!Array.isArray(embedding)) throw malformed('The upstream sent an embedding that is none.')
  // Some upstreams have several vectors for an input; there is no base64 of that.
  return encoding === 'base64' && typeof embedding[0] === 'number' ? toBase64(embedding) : embedding
}

function notOneForEach(): Error {
  return malformed('The upstream did not send one embedding for each input.')
}

/** 32-bit floats, little end first, as OpenAI's clients read them. */
function toBase64(embedding: readonly number[]): string {
  const bytes = Buffer.alloc(embedding.length * 4)
  for (const [index, value] of embedding.entries()) bytes.writeFloatLE(value, index * 4)
  return bytes.toString('base64')
}

function fromBase64(text: string): number[] {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw malformed('The upstream sent an embedding that is none.')
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4))
}
