import { isVoid, type JsonObject } from '../json.ts'
import { isOwnField } from '../own-fields.ts'
import type { SdkWire } from './sdk.ts'

/** Fields the mapping reads. */
const mapped = [
  'model',
  'messages',
  'prompt',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning_effort',
  'thinking',
  'user',
  'n',
  'best_of',
  'logprobs',
  'top_logprobs',
  'echo',
  'suffix',
  'functions',
  'function_call',
  'audio',
] as const

/** OpenAI's fields that mean nothing to these upstreams and would be refused by them: left out. */
const meaningless = [
  'store',
  'metadata',
  'logit_bias',
  'prediction',
  'verbosity',
  'modalities',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'web_search_options',
] as const

const known: ReadonlySet<string> = new Set<string>([...mapped, ...meaningless])

/** Anthropic's fields that its clients send to whatever model: the mark of its cache, and an effort said twice. */
function isForClaudeAlone(name: string, request: Readonly<JsonObject>): boolean {
  return name === 'cache_control' || (name === 'output_config' && !isVoid(request['reasoning_effort']))
}

/** The rest: sent for this very upstream by someone who knows it, and passed on as it is. */
export function fieldsForWire(request: Readonly<JsonObject>, wire: SdkWire): JsonObject {
  const fields: JsonObject = {}
  for (const [name, value] of Object.entries(request)) {
    if (wire !== 'anthropic' && isForClaudeAlone(name, request)) continue
    if (!known.has(name) && !isOwnField(name) && value !== null && value !== undefined) fields[name] = value
  }
  return fields
}
