import type { ErrorDetail, Operation } from '@inferq/contracts'
import type { RequestBody } from './job-spec.ts'

/**
 * What is wrong with a request whose fields are right each by itself: what a role needs, and fields that go together or
 * not at all. OpenAI refuses the same. Gives the first fault, naming the field.
 * @param options.mayStream an asynchronous job may be read as a stream whatever its request says
 * @param options.prefix goes before the field, for a request inside another body: `request.`
 */
export function requestFault(
  operation: Operation,
  request: RequestBody,
  { mayStream, prefix }: { readonly mayStream: boolean; readonly prefix: string },
): ErrorDetail | undefined {
  const fault = findFault(operation, request, mayStream)
  if (fault === undefined) return undefined
  const param = prefix + fault.param
  if (fault.kind === 'invalid') {
    return { code: 'invalid_value', message: `Invalid value for '${param}': ${fault.rule}.`, param }
  }
  const why = fault.rule === undefined ? '' : `: ${fault.rule}`
  return { code: 'missing_required_parameter', message: `Missing required parameter: '${param}'${why}.`, param }
}

type Fault =
  | { readonly kind: 'missing'; readonly param: string; readonly rule: string | undefined }
  | { readonly kind: 'invalid'; readonly param: string; readonly rule: string }

function findFault(operation: Operation, request: RequestBody, mayStream: boolean): Fault | undefined {
  switch (operation) {
    case 'chat':
      return messagesFault(request['messages']) ?? chatFault(request) ?? streamFault(request, mayStream)
    case 'text':
      return countFault(request, 'prompt') ?? bestOfFault(request) ?? streamFault(request, mayStream)
    case 'summary':
      return messagesFault(request['messages'])
    case 'embeddings':
      return countFault(request, 'input')
    default:
      return operation satisfies never
  }
}

/** OpenAI's bound. A list of tokens is one text, and may be longer. */
const maxTexts = 2048

function countFault(request: RequestBody, field: string): Fault | undefined {
  const { [field]: texts } = request
  if (!Array.isArray(texts) || texts.length <= maxTexts || typeof texts[0] === 'number') return undefined
  return invalid(field, `must have at most ${maxTexts} items`)
}

function messagesFault(messages: unknown): Fault | undefined {
  if (!Array.isArray(messages)) return undefined
  for (const [place, message] of messages.entries()) {
    const found = messageFault(message as RequestBody, `messages[${place}]`)
    if (found !== undefined) return found
  }
  return undefined
}

/** One of these has to be there, where an assistant says nothing. Reasoning comes back from answers that broke off in it. */
const assistantFields = ['tool_calls', 'function_call', 'refusal', 'reasoning_content', 'reasoning', 'thinking_blocks']

function messageFault(message: RequestBody, at: string): Fault | undefined {
  const { content } = message
  if (Array.isArray(content)) {
    const found = partsFault(content, `${at}.content`)
    if (found !== undefined) return found
  }
  const isSilent = content === undefined || content === null
  switch (message['role']) {
    case 'assistant':
      if (!isSilent || assistantFields.some((field) => hasSome(message[field]))) return undefined
      return missing(`${at}.content`, "an assistant's message needs it, or 'tool_calls'")
    case 'tool':
      if (isAbsent(message['tool_call_id'])) return missing(`${at}.tool_call_id`, "a message of role 'tool' needs it")
      return isSilent ? missing(`${at}.content`, "a message of role 'tool' needs it") : undefined
    case 'function':
      return isAbsent(message['name']) ? missing(`${at}.name`, "a message of role 'function' needs it") : undefined
    default:
      return isSilent ? missing(`${at}.content`) : undefined
  }
}

function partsFault(parts: readonly unknown[], at: string): Fault | undefined {
  for (const [place, part] of parts.entries()) {
    const { type, file } = part as { readonly type: string; readonly file?: RequestBody }
    if (type !== 'file' || file === undefined) continue
    if (isAbsent(file['file_id']) && isAbsent(file['file_data'])) {
      return missing(`${at}[${place}].file.file_data`, "a file needs it, or 'file_id'")
    }
  }
  return undefined
}

function chatFault(request: RequestBody): Fault | undefined {
  if (!isAbsent(request['max_tokens']) && !isAbsent(request['max_completion_tokens'])) {
    return invalid('max_tokens', "give either 'max_tokens' or 'max_completion_tokens', not both")
  }
  if (!isAbsent(request['top_logprobs']) && request['logprobs'] !== true) {
    return invalid('top_logprobs', "is only allowed when 'logprobs' is true")
  }
  return toolChoiceFault(request['tool_choice'], request['tools'])
}

function toolChoiceFault(choice: unknown, tools: unknown): Fault | undefined {
  if (isAbsent(choice) || choice === 'auto' || choice === 'none') return undefined
  if (!hasSome(tools)) return invalid('tool_choice', "is only allowed when 'tools' are given")
  const named = (choice as { readonly function?: { readonly name?: unknown } }).function?.name
  if (named === undefined) return undefined
  const isThere = (tools as readonly { readonly function?: { readonly name?: unknown } }[]).some(
    (tool) => tool.function?.name === named,
  )
  return isThere ? undefined : invalid('tool_choice.function.name', "must be the name of one of 'tools'")
}

function bestOfFault(request: RequestBody): Fault | undefined {
  const { best_of: bestOf, n } = request
  if (typeof bestOf !== 'number') return undefined
  if (typeof n === 'number' && bestOf < n) return invalid('best_of', "must not be less than 'n'")
  return bestOf > 1 && request['stream'] === true ? invalid('best_of', "must be 1 with 'stream'") : undefined
}

function streamFault(request: RequestBody, mayStream: boolean): Fault | undefined {
  if (mayStream || request['stream'] === true || isAbsent(request['stream_options'])) return undefined
  return invalid('stream_options', "is only allowed when 'stream' is true")
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

function hasSome(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : !isAbsent(value)
}

function missing(param: string, rule?: string): Fault {
  return { kind: 'missing', param, rule }
}

function invalid(param: string, rule: string): Fault {
  return { kind: 'invalid', param, rule }
}
