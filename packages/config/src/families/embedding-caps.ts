import type { Deployment, EmbeddingBatchSettings } from '../inferq-config.ts'
import { familyOf } from './index.ts'

/** How the inputs of several jobs may go to a deployment in one call. */
export interface EmbeddingCaps {
  /** Inputs of one call. */
  readonly maxItems: number
  /** Their tokens together, estimated. */
  readonly maxTokens: number
  /** Calls under way at once while others wait to be gathered. More would only wait over there, in smaller batches. */
  readonly maxCalls: number
}

const cloud: EmbeddingCaps = { maxItems: 64, maxTokens: 65_536, maxCalls: 16 }
const local: EmbeddingCaps = { maxItems: 64, maxTokens: 65_536, maxCalls: 4 }
/** https://platform.openai.com/docs/api-reference/embeddings/create */
const openai: EmbeddingCaps = { ...cloud, maxItems: 2_048, maxTokens: 300_000 }

/** What is known of a provider; others take what `cloud` or `local` say, which all servers that were looked at do. */
const byProvider: Readonly<Record<string, EmbeddingCaps>> = {
  azure: openai,
  // https://docs.mistral.ai/capabilities/embeddings/: 16,384 tokens in a call
  mistral: { ...cloud, maxTokens: 16_384 },
  // https://docs.cohere.com/reference/embed: 96 texts
  cohere: { ...cloud, maxItems: 96 },
  // https://ai.google.dev/api/embeddings: 100 requests in a batch
  gemini: { ...cloud, maxItems: 100 },
  // It computes one call after the other.
  ollama: { ...local, maxCalls: 2 },
}

/** Bedrock's Titan takes one text a call, and the adapter cuts for its others. Anthropic has no embeddings. */
const ungathered: ReadonlySet<string> = new Set(['bedrock', 'anthropic'])

/**
 * What `model_info` says (`max_batch_items`, `max_batch_tokens`), else what is known of the provider. Null: each job makes
 * calls of its own.
 */
export function embeddingCapsOf(
  deployment: Pick<Deployment, 'provider' | 'baseUrl'> & { readonly embeddingBatch?: EmbeddingBatchSettings },
): EmbeddingCaps | null {
  const { provider, baseUrl, embeddingBatch } = deployment
  if (embeddingBatch === undefined && ungathered.has(provider)) return null
  const caps = { ...usualCaps(provider, baseUrl), ...embeddingBatch }
  // Nothing is gained by waiting for a call to end.
  return caps.maxItems === 1 ? { ...caps, maxCalls: Number.POSITIVE_INFINITY } : caps
}

/** Behind a base URL of its own, OpenAI's name stands for any server that speaks like it. */
function usualCaps(provider: string, baseUrl: string): EmbeddingCaps {
  if (provider === 'openai' && /^https:\/\/api\.openai\.com(?=[:/]|$)/i.test(baseUrl)) return openai
  const isCloud = provider !== 'openai' && provider !== 'openai_like' && familyOf(provider)?.isLocal === false
  return byProvider[provider] ?? (isCloud ? cloud : local)
}
