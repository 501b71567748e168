import { invalidField } from '../errors.ts'
import type { OfferedTool, TextRequest } from '../plan.ts'
import type { Script } from '../script.ts'
import { type Fields, flag, inlineScript, isFields, requiredText, texts, wholeNumber } from './fields.ts'
import { parseTools, parseTurns } from './messages.ts'

export interface CohereRequest {
  readonly model: string
  readonly stream: boolean
  readonly logprobs: boolean
  readonly inline: Script | undefined
  readonly text: TextRequest
}

/** The body of `POST /v2/chat`. Throws a RequestError with 400. */
export function parseCohereRequest(body: Fields): CohereRequest {
  const model = requiredText(body, 'model')
  const turns = parseTurns(body['messages'])
  if (turns.length === 0) throw invalidField('messages', 'it must have at least one item')
  const tools = parseTools(body['tools'])
  const choice = body['tool_choice'] ?? undefined
  return {
    model,
    stream: flag(body, 'stream', false),
    logprobs: flag(body, 'logprobs', false),
    inline: inlineScript(body['sim']),
    text: {
      model,
      turns,
      prefix: '',
      choices: 1,
      seed: wholeNumber(body, 'seed', 0, 2 ** 53) ?? 0,
      maxTokens: wholeNumber(body, 'max_tokens', 1, 2 ** 31),
      stop: texts(body, 'stop_sequences', 5),
      json: parseResponseFormat(body['response_format']),
      tools,
      requiredTool: requiredTool(choice, tools),
      allowTools: choice !== 'NONE',
    },
  }
}

function requiredTool(choice: unknown, tools: readonly OfferedTool[]): OfferedTool | undefined {
  if (choice === undefined || choice === 'NONE') return undefined
  if (choice !== 'REQUIRED') throw invalidField('tool_choice', "it must be 'REQUIRED' or 'NONE'")
  if (tools[0] === undefined) throw invalidField('tool_choice', "it can only be 'REQUIRED' when tools are given")
  return tools[0]
}

function parseResponseFormat(value: unknown): TextRequest['json'] {
  if (value === undefined || value === null) return undefined
  const type = isFields(value) ? value['type'] : undefined
  if (type === 'text') return undefined
  if (type !== 'json_object' || !isFields(value)) {
    throw invalidField('response_format', "its type must be 'text' or 'json_object'")
  }
  return { schema: value['json_schema'] ?? value['schema'] ?? undefined }
}
