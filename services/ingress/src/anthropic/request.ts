import type { CountTokensRequest, MessagesRequest } from '@inferq/contracts'
import type { RequestBody } from '../job-spec.ts'
import { invalid, isObject, isVoid, type JsonObject, unsupported } from './fault.ts'
import { toChatMessages } from './messages.ts'
import { toChatToolChoice, toChatTools } from './tools.ts'

/** Fields that are said otherwise in a chat. */
const translated: ReadonlySet<string> = new Set([
  'messages',
  'system',
  'max_tokens',
  'stop_sequences',
  'metadata',
  'stream',
  'service_tier',
  'tools',
  'tool_choice',
  'output_config',
  'output_format',
])

/** Advice to Anthropic's service, which an answer without it does not contradict: left out. */
const advice: ReadonlySet<string> = new Set([
  'context_management',
  'diagnostics',
  'speed',
  'user_profile_id',
  'workspace_id',
])

/** What an answer from anywhere else would silently lack. */
const refused: Readonly<Record<string, string>> = {
  container: 'there is no container here',
  mcp_servers: 'no MCP server is called from here',
  inference_geo: 'where a model runs is a matter of the configuration',
}

/**
 * Anthropic's request as the chat completion that every provider understands, without loss for one that is Claude after all:
 * cache marks, signed thoughts and the ids of calls keep their places. Fields nobody here knows are passed on.
 * Throws `invalid_value`, `missing_required_parameter` or `unsupported_parameter`, naming Anthropic's field.
 */
export function toChatRequest(body: MessagesRequest): RequestBody {
  const { max_tokens: maxTokens, stop_sequences: stop, stream, metadata } = body
  if (body.tool_choice?.type === 'tool' && isVoid(body.tools)) throw invalid('tool_choice', 'there are no tools')
  return {
    ...passedOn(body),
    ...toChatPrompt(body),
    max_tokens: maxTokens,
    ...(isVoid(stop) || stop.length === 0 ? {} : { stop }),
    ...(isVoid(stream) ? {} : { stream }),
    ...(isVoid(metadata) ? {} : toUserAndMetadata(metadata)),
    ...(isVoid(body.service_tier) ? {} : { service_tier: tierOf(body.service_tier) }),
  }
}

/** What of a request makes its prompt, as of a chat. Throws as `toChatRequest`. */
export function toChatPrompt(body: CountTokensRequest): RequestBody {
  const { tools, tool_choice: choice, output_config: output } = body
  const format = output?.format ?? body.output_format
  return {
    model: body.model,
    messages: toChatMessages(body.system, body.messages),
    ...(isVoid(tools) || tools.length === 0 ? {} : { tools: toChatTools(tools) }),
    ...(isVoid(choice) ? {} : toChatToolChoice(choice)),
    // Claude's own word stays beside OpenAI's, which would ask it to think as well.
    ...(isVoid(output?.effort) ? {} : { reasoning_effort: output.effort, output_config: { effort: output.effort } }),
    ...(isVoid(format) ? {} : { response_format: toResponseFormat(format.schema) }),
  }
}

function toResponseFormat(schema: object): JsonObject {
  return { type: 'json_schema', json_schema: { name: 'output', schema, strict: true } }
}

/** `user_id` is OpenAI's `user`; what else is there may steer the routing. */
function toUserAndMetadata(metadata: JsonObject): JsonObject {
  const { user_id: user, ...rest } = metadata
  return {
    ...(typeof user === 'string' ? { user } : {}),
    ...(Object.keys(rest).length === 0 ? {} : { metadata: rest }),
  }
}

function tierOf(tier: string): string {
  return tier === 'standard_only' ? 'default' : tier
}

function passedOn(body: JsonObject): JsonObject {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(body)) {
    if (translated.has(name) || advice.has(name) || isVoid(value)) continue
    const rule = Object.hasOwn(refused, name) ? refused[name] : undefined
    if (rule !== undefined && !isEmpty(value)) throw unsupported(name, rule)
    if (rule === undefined) fields[name] = value
  }
  if (typeof fields['n'] === 'number' && fields['n'] > 1) throw unsupported('n', 'a message is one answer')
  return fields
}

function isEmpty(value: unknown): boolean {
  return (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0)
}
