import { InferqError } from './errors.ts'
import type { CreateResponseRequest, ResponseInputItem } from './http-responses.ts'
import { type ItemGroup, toChatMessages } from './response-messages.ts'
import type { ResponseEcho } from './response-object.ts'
import type { ResponseItem } from './response-output.ts'

/** The input as items: a text is the user's message. */
export function inputItemsOf(request: CreateResponseRequest): readonly ResponseInputItem[] {
  const { input } = request
  if (typeof input === 'string')
    return [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: input }] }]
  return input ?? []
}

/**
 * A validated request as the body of a chat completion, so that every backend serves it. What is not known here is passed
 * to the upstream, as with chat completions. Throws InferqError naming the field for what cannot be served.
 * @param previous items of the conversation before
 * @param input the request's own, references resolved
 */
export function toChatRequest(
  request: CreateResponseRequest,
  previous: readonly ResponseItem[],
  input: readonly ResponseItem[],
): Readonly<Record<string, unknown>> {
  checkResponseRequest(request)
  const groups: ItemGroup[] = [
    { items: previous, path: null },
    { items: input, path: 'input' },
  ]
  const messages = toChatMessages(request.instructions ?? null, groups)
  if (previous.length + input.length === 0) {
    throw missing('input')
  }
  const passed = Object.fromEntries(Object.entries(request).filter(([name]) => !ownFields.has(name)))
  const wantsLogprobs = request.include?.includes('message.output_text.logprobs') || (request.top_logprobs ?? 0) > 0
  return {
    ...withoutNulls(passed),
    ...withoutNulls({
      messages,
      max_completion_tokens: request.max_output_tokens,
      reasoning_effort: request.reasoning?.effort,
      verbosity: request.text?.verbosity,
      response_format: toResponseFormat(request.text?.format),
      logprobs: wantsLogprobs ? true : undefined,
      top_logprobs: wantsLogprobs ? request.top_logprobs : undefined,
      stream: request.stream === true ? true : undefined,
      ...toTools(request),
    }),
  }
}

/** What answers repeat of the request, defaults filled in where they are known. */
export function responseEcho(request: CreateResponseRequest): ResponseEcho {
  const { effort = null, summary, generate_summary } = request.reasoning ?? {}
  const { format, verbosity } = request.text ?? {}
  return {
    background: request.background === true,
    store: request.store !== false,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    reasoning: { effort, summary: summary ?? generate_summary ?? null },
    service_tier: request.service_tier === 'auto' ? 'default' : (request.service_tier ?? 'default'),
    temperature: request.temperature ?? null,
    text: { format: format ?? { type: 'text' }, ...(verbosity ? { verbosity } : {}) },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? null,
    truncation: 'disabled',
    metadata: request.metadata ?? {},
    user: request.user ?? null,
    safety_identifier: request.safety_identifier ?? null,
    prompt_cache_key: request.prompt_cache_key ?? null,
  }
}

/** Fields that are translated, or kept by inferq itself; everything else goes to the upstream as it came. */
const ownFields: ReadonlySet<string> = new Set([
  ...['input', 'instructions', 'previous_response_id', 'store', 'background', 'stream', 'stream_options', 'tools'],
  ...['tool_choice', 'parallel_tool_calls', 'max_tool_calls', 'text', 'reasoning', 'max_output_tokens', 'top_logprobs'],
  ...['truncation', 'include', 'metadata', 'conversation', 'prompt', 'context_management', 'moderation'],
])

/** Names of chat completions, and what they are called here. */
const movedFields: Readonly<Record<string, string>> = {
  messages: 'input',
  max_tokens: 'max_output_tokens',
  max_completion_tokens: 'max_output_tokens',
  response_format: 'text.format',
  reasoning_effort: 'reasoning.effort',
  verbosity: 'text.verbosity',
  functions: 'tools',
  function_call: 'tool_choice',
  logprobs: 'include',
}

/** What nobody here can do; null is as good as nothing. */
const refusedFields: Readonly<Record<string, string>> = {
  conversation: "Conversations are not supported: use 'previous_response_id'.",
  prompt: "Prompt templates are not supported: send 'instructions' and 'input'.",
  context_management: 'Context management is not supported.',
  moderation: 'Moderation is not supported.',
  n: 'A response has one answer.',
}

function checkResponseRequest(request: CreateResponseRequest): void {
  const fields = request as Readonly<Record<string, unknown>>
  for (const [name, message] of Object.entries(refusedFields)) {
    if (fields[name] !== undefined && fields[name] !== null) throw unsupported(message, name)
  }
  for (const [name, here] of Object.entries(movedFields)) {
    if (fields[name] === undefined) continue
    throw unsupported(`Unsupported parameter: '${name}'. In the Responses API it is '${here}'.`, name)
  }
  if (request.truncation === 'auto') {
    throw unsupported(
      "Truncation is not supported: a conversation that is too long is refused ('disabled').",
      'truncation',
    )
  }
  if (request.background === true && request.store === false) {
    throw unsupported("A response in the background is stored: it cannot have 'store' false.", 'store')
  }
  const { mode, context } = (request.reasoning ?? {}) as Readonly<Record<string, unknown>>
  if (mode !== undefined && mode !== null && mode !== 'standard')
    throw unsupported('There is no such mode.', 'reasoning.mode')
  if (context === 'all_turns')
    throw unsupported('Reasoning of earlier turns is not given to the model again.', 'reasoning.context')
}

function toResponseFormat(format: NonNullable<CreateResponseRequest['text']>['format']): object | undefined {
  if (format === undefined || format === null || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json_object' }
  for (const field of ['name', 'schema'] as const) {
    if (format[field] !== undefined) continue
    throw missing(`text.format.${field}`)
  }
  const { name, schema, description, strict } = format
  return { type: 'json_schema', json_schema: withoutNulls({ name, schema, description, strict }) }
}

/** Tools and what goes with them. Allowed tools are those that are sent, which every backend understands. */
function toTools(request: CreateResponseRequest): Readonly<Record<string, unknown>> {
  const tools = (request.tools ?? []).map((tool, place) => toChatTool(tool, `tools[${place}]`))
  const { tool_choice: choice, parallel_tool_calls: parallel } = request
  if (typeof choice === 'object' && choice !== null && choice.type === 'allowed_tools') {
    const allowed = new Set<unknown>()
    for (const [place, { type, name }] of (choice.tools ?? []).entries()) {
      if (type !== 'function' || name === undefined) throw unsupportedTool(type, `tool_choice.tools[${place}].type`)
      allowed.add(name)
    }
    const kept = tools.filter((tool) => allowed.has(tool.function['name']))
    if (kept.length === 0) throw invalid('none of them is among the tools', 'tool_choice.tools')
    return { tools: kept, tool_choice: choice.mode ?? 'auto', parallel_tool_calls: parallel }
  }
  if (typeof choice === 'object' && choice !== null && choice.type !== 'function') {
    throw unsupportedTool(choice.type, 'tool_choice.type')
  }
  const named = typeof choice === 'object' && choice !== null ? choice.name : undefined
  if (typeof choice === 'object' && choice !== null && !tools.some((tool) => tool.function['name'] === named)) {
    if (named === undefined) throw missing('tool_choice.name')
    throw invalid('there is no such tool', 'tool_choice.name')
  }
  if (tools.length === 0) {
    if (choice === undefined || choice === null || choice === 'none' || choice === 'auto') return {}
    throw invalid('there are no tools', 'tool_choice')
  }
  const toolChoice = named === undefined ? choice : { type: 'function', function: { name: named } }
  return { tools, tool_choice: toolChoice, parallel_tool_calls: parallel }
}

function toChatTool(tool: NonNullable<CreateResponseRequest['tools']>[number], path: string) {
  if (tool.type !== 'function') throw unsupportedTool(tool.type, `${path}.type`)
  const { name, description, parameters, strict } = tool
  if (name === undefined) throw missing(`${path}.name`)
  for (const field of ['defer_loading', 'async']) {
    if ((tool as Readonly<Record<string, unknown>>)[field] !== true) continue
    throw unsupported(`Functions with '${field}' are not supported.`, `${path}.${field}`)
  }
  return { type: 'function', function: withoutNulls({ name, description, parameters, strict }) }
}

function missing(param: string): InferqError {
  return new InferqError({
    code: 'missing_required_parameter',
    message: `Missing required parameter: '${param}'.`,
    param,
  })
}

function invalid(rule: string, param: string): InferqError {
  return new InferqError({ code: 'invalid_value', message: `Invalid value for '${param}': ${rule}.`, param })
}

function unsupportedTool(type: string, param: string): InferqError {
  return unsupported(`Tools of type '${type.slice(0, 60)}' are not supported: there are functions only.`, param)
}

function unsupported(message: string, param: string): InferqError {
  return new InferqError({ code: 'unsupported_parameter', message, param })
}

function withoutNulls(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))
}
