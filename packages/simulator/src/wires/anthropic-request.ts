import { RequestError } from '../errors.ts'
import type { OfferedTool, TextRequest, Turn } from '../plan.ts'
import type { Script } from '../script.ts'
import { type Fields, flag, inlineScript, isFields, requiredText, texts, wholeNumber } from './fields.ts'
import { partText } from './messages.ts'

export interface AnthropicRequest {
  readonly model: string
  readonly stream: boolean
  readonly inline: Script | undefined
  readonly text: TextRequest
}

/** The body of `POST /v1/messages`. Throws a RequestError with 400, in the words of Anthropic where they are known. */
export function parseAnthropicRequest(body: Fields): AnthropicRequest {
  const maxTokens = wholeNumber(body, 'max_tokens', 1, 2 ** 31)
  if (maxTokens === undefined) throw invalid('max_tokens: Field required')
  return {
    model: requiredText(body, 'model'),
    stream: flag(body, 'stream', false),
    inline: inlineScript(body['sim']),
    text: { ...parseAnthropicPrompt(body), maxTokens, stop: texts(body, 'stop_sequences', 8_191) },
  }
}

/** What counts as the prompt: messages, system and tools. Throws as `parseAnthropicRequest`. */
export function parseAnthropicPrompt(body: Fields): TextRequest {
  const turns = parseMessages(body['messages'])
  const prefix = takePrefix(turns)
  const tools = parseTools(body['tools'])
  const choice = body['tool_choice'] ?? { type: 'auto' }
  if (!isFields(choice)) throw invalid('tool_choice: Input should be a valid dictionary')
  return {
    model: requiredText(body, 'model'),
    turns: [...parseSystem(body['system']), ...turns],
    prefix,
    choices: 1,
    seed: 0,
    maxTokens: undefined,
    stop: [],
    json: parseFormat(body),
    tools,
    requiredTool: requiredTool(choice, tools),
    allowTools: choice['type'] !== 'none',
  }
}

function parseSystem(value: unknown): Turn[] {
  if (value === undefined || value === null) return []
  return [{ role: 'system', text: partText(value, 'system') }]
}

function parseMessages(value: unknown): Turn[] {
  if (!Array.isArray(value)) throw invalid('messages: Field required')
  if (value.length === 0) throw invalid('messages: at least one message is required')
  return value.map((message, index) => {
    const role = isFields(message) ? message['role'] : undefined
    if (!isFields(message) || (role !== 'user' && role !== 'assistant' && role !== 'system')) {
      throw invalid(`messages.${index}.role: Input should be 'user' or 'assistant'`)
    }
    const content = message['content']
    const answersTool =
      Array.isArray(content) && content.some((part) => isFields(part) && part['type'] === 'tool_result')
    return { role: answersTool ? 'tool' : role, text: partText(content, `messages.${index}.content`) }
  })
}

/** A last turn of the assistant is the beginning of the answer. */
function takePrefix(turns: Turn[]): string {
  const last = turns.at(-1)
  if (last?.role !== 'assistant') return ''
  if (last.text !== last.text.trimEnd()) {
    throw invalid('messages: final assistant content cannot end with trailing whitespace')
  }
  turns.pop()
  return last.text
}

function parseTools(value: unknown): OfferedTool[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('tools: Input should be a valid list')
  return value.map((tool, index) => {
    const name = isFields(tool) ? tool['name'] : undefined
    if (!isFields(tool) || typeof name !== 'string') throw invalid(`tools.${index}.name: Field required`)
    return { name, parameters: tool['input_schema'] }
  })
}

function requiredTool(choice: Fields, tools: readonly OfferedTool[]): OfferedTool | undefined {
  const { type } = choice as { type?: unknown }
  if (type === 'auto' || type === 'none') return undefined
  const tool = type === 'any' ? tools[0] : tools.find(({ name }) => type === 'tool' && name === choice['name'])
  if (tool === undefined) throw invalid("tool_choice: it must be 'auto', 'any', 'none' or name one of the tools")
  return tool
}

/** `output_config.format`, or `output_format` as the beta had it. */
function parseFormat(body: Fields): TextRequest['json'] {
  const { output_config: config, output_format: beta } = body as { output_config?: unknown; output_format?: unknown }
  const format: unknown = (isFields(config) ? config['format'] : undefined) ?? beta ?? undefined
  if (format === undefined) return undefined
  if (isFields(format) && format['type'] === 'json_schema' && isFields(format['schema'])) {
    return { schema: format['schema'] }
  }
  throw invalid("output_config.format: its type must be 'json_schema' with a schema")
}

function invalid(message: string): RequestError {
  return new RequestError(400, message)
}
