/** How the two sources of facts name a provider; absent where one of them does not know it. */
interface SourceNames {
  readonly prices?: string
  readonly limits?: string
}

const vertex: SourceNames = { prices: 'google', limits: 'google-vertex' }

/**
 * By LiteLLM's name of the provider. A Map, for names come from outside. Not here: providers that run a model on one's own
 * machines (vllm, ollama, …), which have no price, and those whose price neither source has.
 * No limits are taken for names that move from model to model (DeepSeek's, Perplexity's): ours might be of an older one.
 */
const sources: ReadonlyMap<string, SourceNames> = new Map<string, SourceNames>([
  ['openai', { prices: 'openai', limits: 'openai' }],
  ['text-completion-openai', { prices: 'openai', limits: 'openai' }],
  ['azure', { prices: 'azure', limits: 'azure' }],
  ['azure_ai', { prices: 'azure', limits: 'azure' }],
  ['anthropic', { prices: 'anthropic', limits: 'anthropic' }],
  ['gemini', { prices: 'google', limits: 'google' }],
  ['google', { prices: 'google', limits: 'google' }],
  ['vertex_ai', vertex],
  ['vertex_ai_beta', vertex],
  ['bedrock', { prices: 'aws', limits: 'amazon-bedrock' }],
  ['bedrock_converse', { prices: 'aws', limits: 'amazon-bedrock' }],
  ['together_ai', { prices: 'together', limits: 'togetherai' }],
  ['groq', { prices: 'groq', limits: 'groq' }],
  ['deepseek', { prices: 'deepseek' }],
  ['mistral', { prices: 'mistral', limits: 'mistral' }],
  ['codestral', { prices: 'mistral', limits: 'mistral' }],
  ['cohere', { prices: 'cohere' }],
  ['cohere_chat', { prices: 'cohere' }],
  ['xai', { prices: 'x-ai', limits: 'xai' }],
  ['fireworks_ai', { prices: 'fireworks', limits: 'fireworks-ai' }],
  ['openrouter', { prices: 'openrouter', limits: 'openrouter' }],
  ['perplexity', { prices: 'perplexity' }],
  ['cerebras', { prices: 'cerebras', limits: 'cerebras' }],
  ['moonshot', { prices: 'moonshotai', limits: 'moonshotai' }],
  ['minimax', { prices: 'minimax' }],
  ['zai', { prices: 'zai', limits: 'zai' }],
  ['cloudflare', { prices: 'cloudflare', limits: 'cloudflare-workers-ai' }],
  ['baseten', { prices: 'baseten', limits: 'baseten' }],
  ['novita', { prices: 'novita' }],
  ['ovhcloud', { prices: 'ovhcloud' }],
  ['voyage', { prices: 'voyageai' }],
  ['nvidia_nim', { limits: 'nvidia' }],
  ['deepinfra', { limits: 'deepinfra' }],
  ['huggingface', { limits: 'huggingface' }],
  ['meta_llama', { limits: 'llama' }],
  ['vercel_ai_gateway', { limits: 'vercel' }],
])

export function sourceNamesOf(provider: string): SourceNames | undefined {
  return sources.get(provider)
}
