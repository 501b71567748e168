import type { ProviderName } from './inferq-config.ts'
import { nearest } from './suggest.ts'

/** What the name of an upstream model says: who serves it, and what it is called there. */
export type UpstreamModel =
  | { readonly kind: 'known'; readonly provider: ProviderName; readonly name: string; readonly prefix: string }
  /** LiteLLM knows this provider; this version of inferq does not. */
  | { readonly kind: 'unsupported'; readonly provider: string }
  | { readonly kind: 'unknown'; readonly prefix: string; readonly meant: string | null }
  | { readonly kind: 'bare' }

/** LiteLLM's prefixes, and what they mean here: https://docs.litellm.ai/docs/providers */
const prefixes: Readonly<Record<string, ProviderName>> = {
  openai: 'openai',
  openai_like: 'openai',
  custom_openai: 'openai',
  'text-completion-openai': 'openai',
  vllm: 'vllm',
  hosted_vllm: 'vllm',
  ollama: 'ollama',
  ollama_chat: 'ollama',
}

const unsupported: readonly string[] = `
  ai21 ai21_chat aiml anthropic anthropic_text anyscale assemblyai azure azure_ai azure_text baseten bedrock
  bedrock_converse bytez cerebras chatgpt clarifai cloudflare codestral cohere cohere_chat cometapi dashscope databricks
  datarobot deepgram deepinfra deepseek docker_model_runner elevenlabs empower featherless_ai fireworks_ai friendliai
  galadriel gemini gigachat github github_copilot google gradient_ai groq heroku huggingface hyperbolic infinity jina_ai
  lambda_ai lemonade litellm_proxy llamafile lm_studio maritalk meta_llama minimax mistral moonshot morph nebius
  nlp_cloud novita nscale nvidia_nim oci oobabooga openrouter ovhcloud palm perplexity petals predibase
  recraft replicate sagemaker sagemaker_chat sambanova snowflake text-completion-codestral together_ai topaz triton
  v0 vercel_ai_gateway vertex_ai vertex_ai_beta volcengine voyage wandb watsonx watsonx_text xai xinference zai`
  .trim()
  .split(/\s+/)

/** Names that say their provider by themselves. */
const bareNames: readonly (readonly [RegExp, ProviderName | 'anthropic' | 'gemini'])[] = [
  [/^(gpt-|chatgpt-|o[1-9](-|$)|text-embedding-|davinci|babbage|ft:|codex-|computer-use)/, 'openai'],
  [/^claude-/, 'anthropic'],
  [/^gemini-/, 'gemini'],
]

/** Reads `litellm_params.model`. `customProvider` is LiteLLM's `custom_llm_provider`: it stands in for a prefix. */
export function parseUpstreamModel(model: string, customProvider?: string): UpstreamModel {
  const slash = model.indexOf('/')
  const prefix = slash > 0 ? model.slice(0, slash) : undefined
  if (customProvider !== undefined) {
    return byPrefix(customProvider, prefix === customProvider ? model.slice(slash + 1) : model)
  }
  if (prefix !== undefined) return byPrefix(prefix, model.slice(slash + 1))
  const provider = bareNames.find(([pattern]) => pattern.test(model))?.[1]
  if (provider === undefined) return { kind: 'bare' }
  if (provider === 'openai') return { kind: 'known', provider, name: model, prefix: provider }
  return { kind: 'unsupported', provider }
}

function byPrefix(prefix: string, name: string): UpstreamModel {
  const provider = Object.hasOwn(prefixes, prefix) ? prefixes[prefix] : undefined
  if (provider !== undefined) return { kind: 'known', provider, name, prefix }
  if (unsupported.includes(prefix)) return { kind: 'unsupported', provider: prefix }
  return { kind: 'unknown', prefix, meant: nearest(prefix, [...Object.keys(prefixes), ...unsupported]) }
}

export const openaiBaseUrl = 'https://api.openai.com/v1'
export const ollamaBaseUrl = 'http://127.0.0.1:11434'
export const vllmBaseUrl = 'http://127.0.0.1:8000/v1'

/** Variables that hold a provider's base URL, first one first; the LiteLLM names are among them. */
export const baseUrlVariables: Readonly<Record<ProviderName, readonly string[]>> = {
  openai: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
  vllm: ['VLLM_BASE_URL', 'HOSTED_VLLM_API_BASE'],
  ollama: ['OLLAMA_BASE_URL', 'OLLAMA_API_BASE'],
}
export const apiKeyVariables: Readonly<Record<ProviderName, readonly string[]>> = {
  openai: ['OPENAI_API_KEY'],
  vllm: ['VLLM_API_KEY', 'HOSTED_VLLM_API_KEY'],
  ollama: ['OLLAMA_API_KEY'],
}

/** The form adapters expect: vLLM's OpenAI routes live under `/v1`, Ollama's own at the root. */
export function normalBaseUrl(provider: ProviderName, url: string): string {
  const trimmed = url.replace(/\/+$/, '')
  if (provider === 'ollama') return trimmed.replace(/\/(v1|api)$/, '')
  if (provider === 'vllm' && new URL(trimmed).pathname === '/') return `${trimmed}/v1`
  return trimmed
}
