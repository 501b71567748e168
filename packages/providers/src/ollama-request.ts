import { withoutMarks } from './claude-fields.ts'
import { isObject, isVoid, type JsonObject, refused } from './json.ts'
import { toOllamaMessages } from './ollama-messages.ts'
import type { Upstream } from './port.ts'
import { missingDefaults } from './request-defaults.ts'

type OllamaUpstream = Pick<Upstream, 'model' | 'defaults' | 'options'>

/** The body of `/api/chat`. Throws `upstream_invalid_request` naming a field this wire has no way to say. */
export function ollamaChatBody(upstream: OllamaUpstream, request: Readonly<JsonObject>, stream: boolean): JsonObject {
  const merged = withDefaults(upstream, request)
  refuseSeveral(merged, 'n')
  const tools = toolsOf(merged)
  return {
    ...common(upstream, merged, stream),
    messages: toOllamaMessages(merged['messages']),
    ...(tools === undefined ? {} : { tools }),
    ...pick(merged, ['logprobs', 'top_logprobs']),
  }
}

/** The body of `/api/generate`; the model's template is applied, as Ollama's own OpenAI endpoint does. */
export function ollamaGenerateBody(
  upstream: OllamaUpstream,
  request: Readonly<JsonObject>,
  stream: boolean,
): JsonObject {
  const merged = withDefaults(upstream, request)
  for (const field of ['n', 'best_of']) refuseSeveral(merged, field)
  if (merged['echo'] === true) throw refused('echo', 'Ollama cannot echo the prompt.')
  if (typeof merged['logprobs'] === 'number')
    throw refused('logprobs', 'Ollama has no log probabilities of a text completion.')
  return { ...common(upstream, merged, stream), prompt: promptOf(merged['prompt']), ...pick(merged, ['suffix', 'raw']) }
}

/**
 * The body of `/api/embed`. A text that is too long is refused, as OpenAI does, unless `truncate` says otherwise: silently
 * embedding its beginning is Ollama's default.
 */
export function ollamaEmbedBody(upstream: OllamaUpstream, request: Readonly<JsonObject>): JsonObject {
  const merged = withDefaults(upstream, request)
  const { input } = merged
  const texts = Array.isArray(input) ? input : [input]
  if (texts.length === 0 || !texts.every((text) => typeof text === 'string')) {
    throw refused('input', 'Ollama embeds texts: a string or a list of strings, not tokens.')
  }
  const { options, keepAlive } = loadOptions(upstream)
  return {
    model: upstream.model,
    input: texts,
    truncate: merged['truncate'] === true,
    ...pick(merged, ['dimensions']),
    ...keepAlive,
    ...(Object.keys(options).length === 0 ? {} : { options }),
  }
}

function withDefaults(upstream: OllamaUpstream, request: Readonly<JsonObject>): JsonObject {
  return { ...request, ...missingDefaults(request, upstream.defaults ?? {}) }
}

function common(upstream: OllamaUpstream, request: JsonObject, stream: boolean): JsonObject {
  const load = loadOptions(upstream)
  const options = { ...load.options, ...samplingOptions(request) }
  const format = formatOf(request['response_format'])
  const think = thinkOf(request)
  return {
    model: upstream.model,
    stream,
    ...load.keepAlive,
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(format === undefined ? {} : { format }),
    ...(think === undefined ? {} : { think }),
  }
}

/** The class's options; `keep_alive` stands beside them on the wire. */
function loadOptions(upstream: OllamaUpstream): { options: JsonObject; keepAlive: JsonObject } {
  const { keep_alive: keepAlive, ...options } = upstream.options ?? {}
  return { options, keepAlive: keepAlive === undefined ? {} : { keep_alive: keepAlive } }
}

// Names both sides share; the last three are no OpenAI parameters, but what Ollama's clients send beside them.
const samplingNames = [
  'temperature',
  'top_p',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'top_k',
  'min_p',
  'repeat_penalty',
] as const

function samplingOptions(request: JsonObject): JsonObject {
  const maxTokens = request['max_completion_tokens'] ?? request['max_tokens']
  const { stop } = request
  return {
    ...pick(request, samplingNames),
    ...(isVoid(stop) ? {} : { stop: typeof stop === 'string' ? [stop] : stop }),
    ...(isVoid(maxTokens) ? {} : { num_predict: maxTokens }),
  }
}

function formatOf(responseFormat: unknown): unknown {
  if (!isObject(responseFormat)) return undefined
  switch (responseFormat['type']) {
    case 'json_object':
      return 'json'
    case 'json_schema': {
      const described = responseFormat['json_schema']
      if (isObject(described) && isObject(described['schema'])) return described['schema']
      throw refused('response_format.json_schema.schema', 'The schema must be an object.')
    }
    case 'text':
    case undefined:
      return undefined
    default:
      throw refused('response_format.type', 'Ollama knows the formats text, json_object and json_schema.')
  }
}

const thinkLevels: Readonly<Record<string, string | false>> = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
}

/** `think` as the client says it in Ollama's words, or OpenAI's `reasoning_effort`. Left out, the model decides. */
function thinkOf(request: JsonObject): unknown {
  const { think, reasoning_effort: effort } = request
  if (!isVoid(think)) return think
  if (isVoid(effort)) return undefined
  const level = typeof effort === 'string' ? thinkLevels[effort] : undefined
  if (level === undefined) throw refused('reasoning_effort', 'Ollama knows none, low, medium and high.')
  return level
}

/** Ollama cannot be made to call a tool; a named one is at least the only one it sees. */
function toolsOf(request: JsonObject): unknown[] | undefined {
  const { tools: given, tool_choice: choice } = request
  if (!Array.isArray(given) || given.length === 0 || choice === 'none') return undefined
  const tools = given.map(withoutMarks)
  const named = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined
  if (named === undefined) return tools
  const chosen = tools.filter(
    (tool) => isObject(tool) && isObject(tool['function']) && tool['function']['name'] === named,
  )
  if (chosen.length === 0) throw refused('tool_choice', 'The chosen tool is not among the tools.')
  return chosen
}

function promptOf(prompt: unknown): string {
  const only = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt
  if (typeof only === 'string') return only
  throw refused('prompt', 'Ollama takes one prompt as a text, not several and not as tokens.')
}

function refuseSeveral(request: JsonObject, field: string): void {
  const value = request[field]
  if (typeof value === 'number' && value > 1) throw refused(field, 'Ollama gives one answer to a request.')
}

function pick(from: Readonly<JsonObject>, names: readonly string[]): JsonObject {
  const picked: JsonObject = {}
  for (const name of names) if (from[name] !== undefined && from[name] !== null) picked[name] = from[name]
  return picked
}
