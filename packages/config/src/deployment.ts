import type { DeploymentMode, DeploymentTimeouts, ProviderName } from './inferq-config.ts'
import { acceptedLitellmParams, acceptedModelInfo } from './litellm-keys.ts'
import type { Reader } from './reader.ts'
import type { Tree } from './tree.ts'
import {
  apiKeyVariables,
  baseUrlVariables,
  normalBaseUrl,
  ollamaBaseUrl,
  openaiBaseUrl,
  parseUpstreamModel,
  type UpstreamModel,
} from './upstream.ts'

/** A deployment as one entry of `model_list` says it: without what only the whole file can tell (id, class options). */
export interface DeploymentDraft {
  readonly model: string
  readonly provider: ProviderName
  readonly upstreamModel: string
  readonly baseUrl: string
  readonly apiKey: string | undefined
  readonly class: string | undefined
  readonly mode: DeploymentMode | undefined
  readonly weights: Readonly<Partial<Record<WeightKey, number>>>
  readonly defaults: Readonly<Record<string, unknown>>
  readonly timeouts: Partial<DeploymentTimeouts>
  readonly contextWindow: number | undefined
  readonly options: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  readonly simulated: boolean
}

/** What LiteLLM's simple-shuffle weighs by, in its order. */
export const weightKeys = ['weight', 'rpm', 'tpm'] as const
export type WeightKey = (typeof weightKeys)[number]

/** Request parameters that a deployment may set for clients that say nothing. */
const requestParams = [
  ...['temperature', 'top_p', 'top_k', 'min_p', 'n', 'stop', 'seed', 'max_tokens', 'max_completion_tokens'],
  ...['presence_penalty', 'frequency_penalty', 'repetition_penalty', 'repeat_penalty', 'logit_bias', 'logprobs'],
  ...['top_logprobs', 'response_format', 'tools', 'tool_choice', 'parallel_tool_calls', 'reasoning_effort'],
  ...['thinking', 'think', 'service_tier', 'user', 'dimensions', 'encoding_format', 'extra_body', 'num_predict'],
  ...['metadata', 'verbosity', 'mirostat', 'mirostat_eta', 'mirostat_tau', 'tfs_z', 'format'],
]

/** Ollama's load options: another value loads the model again, so they belong to the class and not to a client. */
const loadOptions = ['num_ctx', 'num_gpu', 'num_batch', 'num_thread', 'main_gpu', 'use_mmap', 'use_mlock', 'keep_alive']

const entryRules = { acts: ['model_name', 'litellm_params', 'model_info'], accepted: ['blocked', 'rpm', 'tpm'] }
const paramRules = {
  acts: [
    ...['model', 'api_key', 'api_base', 'base_url', 'custom_llm_provider', 'organization', 'timeout', 'stream_timeout'],
    ...['extra_headers', 'headers', ...weightKeys, ...requestParams, ...loadOptions],
  ],
  accepted: acceptedLitellmParams,
}
const infoRules = {
  acts: ['class', 'mode', 'context_window', 'max_input_tokens', 'simulated'],
  accepted: acceptedModelInfo,
  open: true,
}

/** Where a value comes from that an entry leaves out. */
export interface Surroundings {
  /** The first of the variables that is set. */
  variable(names: readonly string[]): string | undefined
}

/** Reads one entry of `model_list`; undefined when a fault (already recorded) leaves nothing to build on. */
export function readDeployment(tree: Tree, reader: Reader, surroundings: Surroundings): DeploymentDraft | undefined {
  const entry = reader.section(tree, entryRules)
  if (entry === undefined) return undefined
  const model = readModelName(tree, entry.get('model_name'), reader)
  if (!entry.has('litellm_params')) reader.fault(tree, 'no litellm_params', 'litellm_params with at least model')
  const params = reader.section(entry.get('litellm_params'), paramRules)
  const info = reader.section(entry.get('model_info'), infoRules) ?? new Map<string, Tree>()
  if (params === undefined) return undefined

  const upstream = readUpstream(entry.get('litellm_params') ?? tree, params, reader)
  const common = readCommon(params, info, reader)
  if (model === undefined || upstream === undefined) return undefined
  const endpoint = readEndpoint(params, upstream, reader, surroundings)
  if (endpoint === undefined) return undefined
  return { model, provider: upstream.provider, upstreamModel: upstream.name, ...endpoint, ...common }
}

function readModelName(entry: Tree, tree: Tree | undefined, reader: Reader): string | undefined {
  const name = reader.text(tree)
  if (tree === undefined) reader.fault(entry, 'no model_name', 'model_name, the name that clients send')
  if (tree === undefined || name === undefined) return undefined
  if (name.includes('*')) {
    reader.fault(tree, `"${name}"`, 'a model name without wildcards', 'wildcards are not supported yet')
    return undefined
  }
  if (name.length <= 256) return name
  reader.fault(tree, `a name of ${name.length} characters`, 'at most 256')
  return undefined
}

function readUpstream(
  place: Tree,
  params: ReadonlyMap<string, Tree>,
  reader: Reader,
): Extract<UpstreamModel, { kind: 'known' }> | undefined {
  const tree = params.get('model')
  const model = reader.text(tree)
  if (tree === undefined) reader.fault(place, 'no model', 'model, such as ollama/llama3.1 or openai/gpt-4o')
  const customProvider = reader.text(params.get('custom_llm_provider'))
  if (tree === undefined || model === undefined) return undefined
  const upstream = parseUpstreamModel(model, customProvider)
  const expected = 'a model behind openai/, openai_like/, vllm/, hosted_vllm/, ollama/ or ollama_chat/'
  switch (upstream.kind) {
    case 'known':
      if (upstream.name !== '') return upstream
      reader.fault(tree, `"${model}"`, 'a model name after the slash')
      return undefined
    case 'unsupported':
      reader.fault(tree, `"${model}" (provider ${upstream.provider})`, expected, 'this provider is not supported yet')
      return undefined
    case 'unknown': {
      const meant = upstream.meant === null ? undefined : `did you mean "${upstream.meant}/"?`
      reader.fault(tree, `"${model}" (no provider is named ${upstream.prefix})`, expected, meant)
      return undefined
    }
    case 'bare':
      reader.fault(tree, `"${model}", which names no provider`, expected, `for example "openai/${model}"`)
      return undefined
    default:
      return upstream satisfies never
  }
}

/** Base URL, key and headers. LiteLLM takes what an entry leaves out from the environment, and so do we. */
function readEndpoint(
  params: ReadonlyMap<string, Tree>,
  upstream: Extract<UpstreamModel, { kind: 'known' }>,
  reader: Reader,
  surroundings: Surroundings,
): Pick<DeploymentDraft, 'baseUrl' | 'apiKey' | 'headers'> | undefined {
  const { provider, prefix } = upstream
  const baseTree = params.get('api_base') ?? params.get('base_url')
  const faultsBefore = reader.faults.length
  const ownBaseUrl = reader.url(baseTree)
  const ownKey = reader.text(params.get('api_key'), { secret: true })
  const headers = readHeaders(params, reader)
  if (reader.faults.length > faultsBefore) return undefined

  const modelTree = params.get('model')
  const baseUrl = ownBaseUrl ?? (prefix === 'openai_like' ? undefined : inheritedBaseUrl(provider, surroundings))
  if (baseUrl === undefined) {
    if (modelTree) reader.fault(modelTree, `a model at ${prefix}/ without api_base`, 'api_base, the URL of its server')
    return undefined
  }
  if (!URL.canParse(baseUrl)) {
    const expected = 'an http:// or https:// URL there, or api_base here'
    if (modelTree) reader.fault(modelTree, `no URL in ${baseUrlVariables[provider].join(' or ')}`, expected)
    return undefined
  }
  // A key from the environment belongs to the provider it is named after, not to any server that speaks its dialect.
  const inheritsKey = provider !== 'openai' || ownBaseUrl === undefined || ownBaseUrl === openaiBaseUrl
  const apiKey = ownKey ?? (inheritsKey ? surroundings.variable(apiKeyVariables[provider]) : undefined)
  if (apiKey === undefined && baseUrl === openaiBaseUrl && reader.faults.length === faultsBefore) {
    const expected = 'api_key, or the environment variable OPENAI_API_KEY'
    if (modelTree) reader.fault(modelTree, 'a model of OpenAI without a key', expected)
    return undefined
  }
  return { baseUrl: normalBaseUrl(provider, baseUrl), apiKey, headers }
}

function inheritedBaseUrl(provider: ProviderName, surroundings: Surroundings): string | undefined {
  const fromEnvironment = surroundings.variable(baseUrlVariables[provider])
  if (fromEnvironment !== undefined) return fromEnvironment
  if (provider === 'openai') return openaiBaseUrl
  return provider === 'ollama' ? ollamaBaseUrl : undefined
}

function readHeaders(params: ReadonlyMap<string, Tree>, reader: Reader): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const key of ['headers', 'extra_headers']) {
    for (const [name, value] of reader.names(params.get(key)) ?? []) {
      const text = reader.text(value, { secret: true })
      if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) reader.fault(value, `the header name "${name}"`, 'a header name')
      else if (text !== undefined && /[\r\n\0]/.test(text)) reader.fault(value, 'a line break', 'a header value')
      else if (text !== undefined) headers[name.toLowerCase()] = text
    }
  }
  const organization = reader.text(params.get('organization'))
  if (organization !== undefined) headers['openai-organization'] = organization
  return headers
}

function readCommon(
  params: ReadonlyMap<string, Tree>,
  info: ReadonlyMap<string, Tree>,
  reader: Reader,
): Omit<DeploymentDraft, 'model' | 'provider' | 'upstreamModel' | 'baseUrl' | 'apiKey' | 'headers'> {
  const timeout = reader.number(params.get('timeout'), { above: 0, max: 86_400 })
  const streamTimeout = reader.number(params.get('stream_timeout'), { above: 0, max: 86_400 })
  const window = { min: 1, integer: true }
  const contextWindow = reader.number(info.get('context_window'), window)
  const inputWindow = reader.number(info.get('max_input_tokens'), window)
  const weights: Partial<Record<WeightKey, number>> = {}
  for (const key of weightKeys) {
    const value = reader.number(params.get(key), { min: 0 })
    if (value !== undefined) weights[key] = value
  }
  return {
    class: readClass(info.get('class'), reader),
    mode: readMode(info.get('mode'), reader),
    weights,
    defaults: readPlain(params, requestParams, reader),
    timeouts: {
      ...(timeout === undefined ? {} : { totalMs: Math.ceil(timeout * 1000) }),
      ...(streamTimeout === undefined ? {} : { firstTokenMs: Math.ceil(streamTimeout * 1000) }),
    },
    contextWindow: contextWindow ?? inputWindow,
    options: readPlain(params, loadOptions, reader),
    simulated: reader.flag(info.get('simulated')) ?? false,
  }
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

/** A class names a queue in Redis and a label in metrics: short, printable. */
function readClass(tree: Tree | undefined, reader: Reader): string | undefined {
  const name = reader.text(tree)
  if (tree === undefined || name === undefined || isClassName(name)) return name
  reader.fault(tree, `"${name.slice(0, 60)}"`, 'a class name: 1 to 200 printable characters without spaces')
  return undefined
}

export function isClassName(name: string): boolean {
  return /^[\x21-\x7e]{1,200}$/.test(name)
}

function readPlain(
  params: ReadonlyMap<string, Tree>,
  names: readonly string[],
  reader: Reader,
): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {}
  for (const name of names) {
    const tree = params.get(name)
    const value = tree === undefined ? undefined : reader.plain(tree)
    if (value !== undefined && value !== null) values[name] = value
  }
  return values
}
