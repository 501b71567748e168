import { RequestError } from '../errors.ts'
import type { OfferedTool, TextRequest, Turn } from '../plan.ts'
import type { Script } from '../script.ts'
import { type Fields, inlineScript, isFields, texts, wholeNumber } from './fields.ts'
import { partText } from './messages.ts'

export interface BedrockRequest {
  readonly inline: Script | undefined
  readonly text: TextRequest
}

/** The body of `/converse`. Throws a RequestError with 400. */
export function parseBedrockRequest(model: string, body: Fields): BedrockRequest {
  const config = fieldsOf(body, 'inferenceConfig')
  const further = fieldsOf(body, 'additionalModelRequestFields')
  const toolConfig = fieldsOf(body, 'toolConfig')
  const turns = parseMessages(body['messages'])
  const prefix = takePrefix(turns)
  const tools = parseTools(toolConfig['tools'])
  return {
    inline: inlineScript(body['sim'] ?? further['sim']),
    text: {
      model,
      turns: [...parseSystem(body['system']), ...turns],
      prefix,
      choices: 1,
      seed: 0,
      maxTokens: wholeNumber(config, 'maxTokens', 1, 2 ** 31),
      stop: texts(config, 'stopSequences', 2_500),
      json: parseFormat(body, further),
      tools,
      requiredTool: requiredTool(fieldsOf(toolConfig, 'toolChoice'), tools),
      allowTools: true,
    },
  }
}

function parseSystem(value: unknown): Turn[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('system must be a list')
  return value.length === 0 ? [] : [{ role: 'system', text: partText(value, 'system') }]
}

function parseMessages(value: unknown): Turn[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid(
      'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
    )
  }
  return value.map((message: unknown, index) => {
    const { role, content } = (isFields(message) ? message : {}) as { role?: unknown; content?: unknown }
    if ((role !== 'user' && role !== 'assistant') || !Array.isArray(content) || content.length === 0) {
      throw invalid(`The content field in the Message object at messages.${index} is empty. Add a ContentBlock object.`)
    }
    const answersTool = content.some((part) => isFields(part) && 'toolResult' in part)
    return { role: answersTool ? 'tool' : role, text: partText(content, `messages.${index}.content`) }
  })
}

/** A last turn of the assistant is the beginning of the answer, as the model behind the API has it. */
function takePrefix(turns: Turn[]): string {
  const last = turns.at(-1)
  if (last?.role !== 'assistant') return ''
  if (last.text !== last.text.trimEnd()) {
    throw invalid(
      'The model returned the following errors: messages: final assistant content cannot end with trailing whitespace',
    )
  }
  turns.pop()
  return last.text
}

function parseTools(value: unknown): OfferedTool[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('toolConfig.tools must be a list')
  return value.flatMap((tool: unknown) => {
    const spec = isFields(tool) ? tool['toolSpec'] : undefined
    // A cache point or a tool of the system's own.
    if (!isFields(spec)) return []
    const { name, inputSchema } = spec as { name?: unknown; inputSchema?: unknown }
    if (typeof name !== 'string') throw invalid('toolConfig.tools.toolSpec.name must be a string')
    return [{ name, parameters: isFields(inputSchema) ? inputSchema['json'] : undefined }]
  })
}

function requiredTool(choice: Fields, tools: readonly OfferedTool[]): OfferedTool | undefined {
  const { any, tool: wanted } = choice as { any?: unknown; tool?: unknown }
  if (any === undefined && wanted === undefined) return undefined
  const tool = wanted === undefined ? tools[0] : tools.find(({ name }) => isFields(wanted) && wanted['name'] === name)
  if (tool === undefined) throw invalid('toolConfig.toolChoice names no tool of toolConfig.tools')
  return tool
}

/** Bedrock's own `outputConfig.textFormat`, or the `output_config.format` Anthropic's models take. */
function parseFormat(body: Fields, further: Fields): TextRequest['json'] {
  const structure = fieldsOf(fieldsOf(fieldsOf(body, 'outputConfig'), 'textFormat'), 'structure')
  const { schema: text } = fieldsOf(structure, 'jsonSchema') as { schema?: unknown }
  if (typeof text === 'string') {
    try {
      return { schema: JSON.parse(text) as unknown }
    } catch {
      throw invalid('outputConfig.textFormat.structure.jsonSchema.schema is not valid JSON')
    }
  }
  const format = fieldsOf(fieldsOf(further, 'output_config'), 'format')
  return format['type'] === 'json_schema' ? { schema: format['schema'] } : undefined
}

function fieldsOf(body: Fields, name: string): Fields {
  const value = body[name] ?? {}
  if (!isFields(value)) throw invalid(`${name} must be an object`)
  return value
}

function invalid(message: string): RequestError {
  return new RequestError(400, message)
}
