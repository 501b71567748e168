import { invalidField, RequestError } from '../errors.ts'
import type { OfferedTool, TextRequest, Turn } from '../plan.ts'
import type { Script } from '../script.ts'
import { type Fields, flag, inlineScript, isFields, requiredText, texts, wholeNumber } from './fields.ts'
import { parseTools, parseTurns } from './messages.ts'

export interface OpenAiOptions {
  readonly model: string
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly inline: Script | undefined
  /** Alternatives to give with each token; undefined when no log probabilities are asked for. */
  readonly logprobs: number | undefined
}

export interface ChatRequest extends OpenAiOptions {
  readonly text: TextRequest
}

export interface CompletionsRequest extends OpenAiOptions {
  /** One per prompt. */
  readonly texts: readonly TextRequest[]
  readonly echo: boolean
}

const mostTokens = 100_000
const mostChoices = 128

/** The body of `POST /v1/chat/completions`. Throws a RequestError with 400 naming the field. */
export function parseChatRequest(body: Fields): ChatRequest {
  const options = parseOptions(body)
  const turns = parseTurns(body['messages'])
  if (turns.length === 0) throw invalidField('messages', 'it must have at least one item')
  const prefix = takePrefix(body, turns)
  const tools = parseTools(body['tools'])
  const choice = body['tool_choice'] ?? 'auto'
  const logprobs = flag(body, 'logprobs', false) ? (wholeNumber(body, 'top_logprobs', 0, 20) ?? 0) : undefined
  const text: TextRequest = {
    ...parseSampling(body, options.model),
    turns,
    prefix,
    maxTokens: wholeNumber(body, 'max_completion_tokens', 1, 2 ** 31) ?? wholeNumber(body, 'max_tokens', 1, 2 ** 31),
    json: parseResponseFormat(body['response_format']),
    tools,
    requiredTool: requiredTool(choice, tools),
    allowTools: choice !== 'none',
  }
  return { ...options, logprobs, text }
}

/** The body of `POST /v1/completions`. Throws as `parseChatRequest`. */
export function parseCompletionsRequest(body: Fields): CompletionsRequest {
  const options = parseOptions(body)
  const sampling = parseSampling(body, options.model)
  const maxTokens = wholeNumber(body, 'max_tokens', 1, 2 ** 31)
  const prompts = parseInputs(body['prompt'] ?? '', 'prompt')
  if (prompts.length * sampling.choices > mostChoices) {
    throw invalidField('n', `no more than ${mostChoices} choices over all prompts`)
  }
  return {
    ...options,
    echo: flag(body, 'echo', false),
    logprobs: wholeNumber(body, 'logprobs', 0, 5),
    texts: prompts.map((prompt) => ({
      ...sampling,
      turns: [{ role: 'user', text: prompt }],
      prefix: '',
      maxTokens,
      json: undefined,
      tools: [],
      requiredTool: undefined,
      allowTools: false,
    })),
  }
}

/** A string, token ids, or a list of either: one text each. A token id becomes four characters. */
export function parseInputs(value: unknown, name: string): string[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || value.length === 0) throw invalidField(name, 'it must be a string or a list not empty')
  if (isTokenIds(value)) return [tokenText(value)]
  return value.map((one, index) => {
    if (typeof one === 'string') return one
    if (Array.isArray(one) && one.length > 0 && isTokenIds(one)) return tokenText(one)
    throw invalidField(`${name}[${index}]`, 'it must be a string or a list of token ids')
  })
}

function parseOptions(body: Fields): OpenAiOptions {
  const stream = flag(body, 'stream', false)
  const streamOptions = body['stream_options'] ?? {}
  if (!isFields(streamOptions)) throw invalidField('stream_options', 'it must be an object')
  if (body['stream_options'] && !stream) {
    throw new RequestError(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", {
      param: 'stream_options',
    })
  }
  return {
    model: requiredText(body, 'model'),
    stream,
    includeUsage: flag(streamOptions, 'include_usage', false),
    inline: inlineScript(body['sim']),
    logprobs: undefined,
  }
}

function parseSampling(body: Fields, model: string): Pick<TextRequest, 'model' | 'choices' | 'seed' | 'stop'> {
  return {
    model,
    choices: wholeNumber(body, 'n', 1, mostChoices) ?? 1,
    seed: wholeNumber(body, 'seed', -(2 ** 53), 2 ** 53) ?? 0,
    stop: texts(body, 'stop', 16),
  }
}

/**
 * The beginning of the answer where the last turn, an assistant's, is one and not a turn of its own: marked in the body
 * for vLLM, in the message itself for Mistral and DeepSeek.
 */
function takePrefix(body: Fields, turns: Turn[]): string {
  const { messages } = body as { messages?: unknown[] }
  const lastMessage = messages?.at(-1)
  const marked = isFields(lastMessage) && lastMessage['role'] === 'assistant' && flag(lastMessage, 'prefix', false)
  if (marked) return turns.pop()?.text ?? ''
  if (!flag(body, 'continue_final_message', false)) return ''
  if (flag(body, 'add_generation_prompt', true)) {
    throw new RequestError(
      400,
      'Cannot set both `continue_final_message` and `add_generation_prompt` to True when `continue_final_message` is True.',
      { param: 'add_generation_prompt' },
    )
  }
  const last = turns.at(-1)
  if (last?.role !== 'assistant')
    throw invalidField('messages', 'the last message must be of the assistant to continue it')
  turns.pop()
  return last.text
}

function parseResponseFormat(value: unknown): TextRequest['json'] {
  if (value === undefined || value === null) return undefined
  const type = isFields(value) ? value['type'] : undefined
  if (type === 'text') return undefined
  if (type === 'json_object') return { schema: undefined }
  const outer = isFields(value) ? value['json_schema'] : undefined
  if (type === 'json_schema' && isFields(outer) && isFields(outer['schema'])) return { schema: outer['schema'] }
  throw invalidField('response_format', "its type must be 'text', 'json_object' or 'json_schema' with a schema")
}

function requiredTool(choice: unknown, tools: readonly OfferedTool[]): OfferedTool | undefined {
  if (choice === 'auto' || choice === 'none') return undefined
  if (choice === 'required') {
    if (tools[0] === undefined) throw invalidField('tool_choice', "it is only allowed when 'tools' are specified")
    return tools[0]
  }
  const named: unknown = isFields(choice) && isFields(choice['function']) ? choice['function']['name'] : undefined
  const tool = tools.find(({ name }) => name === named)
  if (tool === undefined) throw invalidField('tool_choice', 'it names no tool of the request')
  return tool
}

function isTokenIds(list: readonly unknown[]): boolean {
  return list.length <= mostTokens && list.every((one) => Number.isInteger(one))
}

function tokenText(ids: readonly unknown[]): string {
  return ids.map((id) => Number(id).toString(36).padStart(4, '0')).join('')
}
