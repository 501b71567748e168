import type { ProviderFamily } from './families/family.ts'
import { familyOf, familyOfPrefix, providerFamilies } from './families/index.ts'
import { nearest } from './suggest.ts'

/** What the name of an upstream model says: who serves it, and what it is called there. */
export type UpstreamModel =
  | { readonly kind: 'known'; readonly family: ProviderFamily; readonly name: string; readonly prefix: string }
  /** LiteLLM knows this provider; inferq has no adapter for it. */
  | { readonly kind: 'unsupported'; readonly provider: string }
  | { readonly kind: 'unknown'; readonly prefix: string; readonly meant: string | null }
  /** No provider is named. `meant` is how it might have been written, such as `ollama/llama3.1`. */
  | { readonly kind: 'bare'; readonly meant: string | null }

/** LiteLLM's providers without an adapter here: https://docs.litellm.ai/docs/providers */
const unsupported: readonly string[] = `
  aiml aleph_alpha anthropic_text assemblyai baseten bytez chatgpt clarifai cloudflare cometapi databricks datarobot
  deepgram elevenlabs empower galadriel gigachat github_copilot gradient_ai heroku infinity jina_ai maritalk morph
  nlp_cloud nscale oci ovhcloud palm petals predibase recraft replicate sagemaker sagemaker_chat snowflake
  text-completion-codestral topaz triton vertex_ai vertex_ai_beta volcengine voyage wandb watsonx watsonx_text`
  .trim()
  .split(/\s+/)

/** Names that say their provider by themselves. */
const bareNames: readonly (readonly [RegExp, string])[] = [
  [/^(gpt-(?!oss)|chatgpt-|o[1-9](-|$)|text-embedding-|davinci|babbage|ft:gpt|codex-|computer-use)/, 'openai'],
  [/^claude-/, 'anthropic'],
  [/^gemini-/, 'gemini'],
  [/^(command(-|$)|c4ai-|embed-(english|multilingual|v4))/, 'cohere'],
  [/^codestral/, 'mistral'],
  [/^((open-)?mistral-|(open-)?mixtral-|ministral-|magistral-|pixtral-|devstral-|voxtral-)/, 'mistral'],
  [/^deepseek-[^:]*$/, 'deepseek'],
  [/^grok-/, 'xai'],
  [/^sonar(-|$)/, 'perplexity'],
  // Bedrock's ids name the maker, with the region group of an inference profile in front.
  [
    /^((us|us-gov|eu|apac|jp|au|ca|global)\.)?(anthropic|amazon|meta|mistral|cohere|ai21|deepseek|qwen)\.[a-z]/,
    'bedrock',
  ],
]

/** Open weights: anybody may serve them, most likely in the house. */
const openWeights =
  /^(llama|gemma|phi|qwen|mistral|mixtral|deepseek|gpt-oss|codellama|tinyllama|smollm|granite|nomic|bge)/i

/** Reads `litellm_params.model`. `customProvider` is LiteLLM's `custom_llm_provider`: it stands in for a prefix. */
export function parseUpstreamModel(model: string, customProvider?: string): UpstreamModel {
  const slash = model.indexOf('/')
  const prefix = slash > 0 ? model.slice(0, slash) : undefined
  if (customProvider !== undefined) {
    return byPrefix(customProvider, prefix === customProvider ? model.slice(slash + 1) : model)
  }
  if (prefix !== undefined) return byPrefix(prefix, model.slice(slash + 1))
  // LiteLLM sends whatever the client named to OpenAI.
  const named = model === '*' ? 'openai' : bareNames.find(([pattern]) => pattern.test(model))?.[1]
  const family = named === undefined ? undefined : familyOf(named)
  if (family !== undefined) return { kind: 'known', family, name: model, prefix: family.name }
  return { kind: 'bare', meant: openWeights.test(model) ? `ollama/${model}` : null }
}

function byPrefix(prefix: string, name: string): UpstreamModel {
  const family = familyOfPrefix(prefix)
  if (family !== undefined) return { kind: 'known', family, name: nameAt(family, name), prefix }
  if (unsupported.includes(prefix)) return { kind: 'unsupported', provider: prefix }
  const known = [...providerFamilies.flatMap(({ prefixes }) => prefixes), ...unsupported]
  return { kind: 'unknown', prefix, meant: nearest(prefix, known) }
}

/** LiteLLM writes some of a provider's names in a way of its own. */
function nameAt(family: ProviderFamily, name: string): string {
  const parts = name.split('/')
  switch (family.name) {
    case 'huggingface':
      // `huggingface/<who serves>/<owner>/<model>`; the router wants `<owner>/<model>:<who serves>`.
      return parts.length === 3 ? `${parts[1]}/${parts[2]}:${parts[0]}` : name
    case 'bedrock':
      // `bedrock/converse/<id>` says which of Bedrock's routes to take; here it is always that one.
      return parts.length === 2 && parts[0] === 'converse' ? (parts[1] ?? name) : name
    case 'azure':
      // Names for LiteLLM's benefit, who has to know what kind of model the deployment is.
      return parts.length === 2 && /^(o_series|gpt5_series)$/.test(parts[0] ?? '') ? (parts[1] ?? name) : name
    default:
      return name
  }
}

/** Where a deployment's calls go and how they prove who they are. */
export type Endpoint =
  | {
      readonly kind: 'endpoint'
      readonly baseUrl: string
      readonly apiKey?: string
      readonly credentials: Readonly<Record<string, string>>
    }
  /** In the words of a fault. Holds no secret. */
  | { readonly kind: 'incomplete'; readonly found: string; readonly expected: string }

/** What an entry says itself; `credentials` under the names of its family. */
export interface OwnEndpoint {
  readonly baseUrl?: string | undefined
  readonly apiKey?: string | undefined
  readonly credentials?: Readonly<Record<string, string>> | undefined
}

/** The first of some variables that is set. */
export type Variable = (names: readonly string[]) => string | undefined

/** Every name of a family's `credentials`. */
export const credentialNames: readonly string[] = [
  ...new Set(providerFamilies.flatMap(({ credentials }) => Object.keys(credentials ?? {}))),
]

/**
 * What an entry leaves out is taken from the environment, as LiteLLM does, and then from the family's table. A key or token
 * of the environment goes to the provider it is named after and nowhere else: not to another server that an entry's own
 * base URL names.
 */
export function endpointOf(family: ProviderFamily, own: OwnEndpoint, variable: Variable): Endpoint {
  const rules = Object.entries(family.credentials ?? {})
  const credentials: Record<string, string> = {}
  for (const [name, rule] of rules) {
    const value =
      own.credentials?.[name] ?? (rule.proof === undefined ? (variable(rule.variables) ?? rule.default) : '')
    if (value !== undefined && value !== '') credentials[name] = value
    else if (rule.required) return incomplete(`a model of ${family.name} without ${name}`, name, rule.variables)
  }

  const home = family.baseUrl === undefined ? undefined : filled(family.baseUrl, credentials)
  const ownBaseUrl = own.baseUrl ?? own.credentials?.['aws_bedrock_runtime_endpoint']
  const baseUrl = ownBaseUrl ?? variable(family.baseUrlVariables) ?? home
  if (baseUrl === undefined) {
    const found = `a model at ${family.name}/ without api_base`
    return incomplete(found, 'api_base, the URL of its server', family.baseUrlVariables)
  }
  if (!isHttpUrl(baseUrl)) {
    const found = `no URL in ${family.baseUrlVariables.join(' or ')}`
    return { kind: 'incomplete', found, expected: 'an http:// or https:// URL there, or api_base here' }
  }

  const proofs = rules.filter(([, rule]) => rule.proof !== undefined)
  const provesItself = own.apiKey !== undefined || proofs.some(([name]) => own.credentials?.[name] !== undefined)
  const isOurs = ownBaseUrl === undefined || home === undefined || isAt(ownBaseUrl, home, family, credentials)
  // Half of a proof from here and half from there would be none.
  const inherited: Variable = isOurs && !provesItself ? variable : () => undefined
  for (const [name, rule] of proofs) {
    const value = credentials[name] ?? inherited(rule.variables)
    if (value !== undefined && value !== '') credentials[name] = value
  }
  const apiKey = own.apiKey ?? inherited(family.keyVariables)
  const needed = proofs.filter(([, rule]) => rule.proof === 'needed').map(([name]) => name)
  const isProven = needed.length > 0 && needed.every((name) => credentials[name] !== undefined)
  if (family.needsKey && isOurs && apiKey === undefined && !isProven) {
    const key = needed.length === 0 ? 'api_key' : `api_key, ${needed.join(' with ')}`
    return incomplete(`a model of ${family.name} without a key`, key, family.keyVariables)
  }
  return {
    kind: 'endpoint',
    baseUrl: normalBaseUrl(family, baseUrl),
    ...(apiKey === undefined ? {} : { apiKey }),
    credentials,
  }
}

function incomplete(found: string, expected: string, variables: readonly string[]): Endpoint {
  const orVariable = variables.length === 0 ? '' : `, or the environment variable ${variables.join(' or ')}`
  return { kind: 'incomplete', found, expected: expected + orVariable }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}

/** The key of the environment, for a server of the family that was found without a file. */
export function keyOf(family: ProviderFamily, variable: Variable): string | undefined {
  return variable(family.keyVariables)
}

/** The URL is one of the family's own: what is named after the family may be sent there, unless it went unencrypted. */
function isAt(
  baseUrl: string,
  home: string,
  family: ProviderFamily,
  credentials: Readonly<Record<string, string>>,
): boolean {
  if (family.isLocal) return true
  if (!isHttpUrl(baseUrl)) return false
  const { hostname, protocol } = new URL(baseUrl)
  const domains = [new URL(home).hostname, ...(family.domains ?? []).map((domain) => filled(domain, credentials))]
  return protocol === 'https:' && domains.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`))
}

function filled(template: string, credentials: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => credentials[name] ?? '')
}

export const openaiBaseUrl = 'https://api.openai.com/v1'
export const ollamaBaseUrl = 'http://127.0.0.1:11434'
export const vllmBaseUrl = 'http://127.0.0.1:8000/v1'

/** The form adapters expect: no slash at the end, the version of the API in it where the wire has one, no route. */
export function normalBaseUrl(family: Pick<ProviderFamily, 'wire' | 'baseUrl' | 'quirks'>, url: string): string {
  const trimmed = url.replace(/[?#].*$/, '').replace(/\/+$/, '')
  switch (family.wire) {
    case 'ollama':
      return trimmed.replace(/\/(v1|api)(\/(chat|generate|embed))?$/, '')
    case 'vllm':
    case 'openai': {
      const base = trimmed.replace(routes, '')
      // Azure's deployment and version are the adapter's to add; the others want the path an SDK would be given.
      if (family.quirks.path === 'azure') return base.replace(/\/openai(\/deployments)?$/, '')
      if (family.quirks.path === 'azure_ai') return base
      const path = family.baseUrl === undefined ? '/v1' : new URL(family.baseUrl).pathname.replace(/\/$/, '')
      return new URL(base).pathname === '/' ? base + path : base
    }
    case 'anthropic':
      return withVersion(trimmed.replace(/\/messages$/, ''), 'v1')
    case 'gemini':
      return withVersion(trimmed, 'v1beta')
    case 'cohere':
      return withVersion(trimmed.replace(/\/(chat|embed)$/, '').replace(/\/v1$/, ''), 'v2')
    case 'bedrock':
      return trimmed
    default:
      return family.wire satisfies never
  }
}

const routes = /\/(chat\/completions|completions|embeddings)$/

function withVersion(url: string, version: string): string {
  return /\/v\d+\w*$/.test(url) ? url : `${url}/${version}`
}
