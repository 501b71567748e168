import type { TokenUsage } from '@inferq/contracts'
import type { JsonObject } from './json.ts'

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

/** 32-bit floats, little end first, as OpenAI's clients read them. */
function toBase64(embedding: readonly number[]): string {
  const bytes = Buffer.alloc(embedding.length * 4)
  for (const [index, value] of embedding.entries()) bytes.writeFloatLE(value, index * 4)
  return bytes.toString('base64')
}
