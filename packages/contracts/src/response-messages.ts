import { InferqError } from './errors.ts'
import { openBlocks, type ResponseItem } from './response-output.ts'

type Fields = Readonly<Record<string, unknown>>

/** Items, and where they stand in the request for errors: `input`. Those of earlier responses stand nowhere. */
export interface ItemGroup {
  readonly items: readonly ResponseItem[]
  readonly path: string | null
}

/**
 * A conversation of Responses items as the messages of a chat completion. A call joins the assistant's message before it,
 * as one turn. Reasoning goes back only with the upstream's own proof of it: no model needs its words again. `system`
 * stands for `developer` too: every backend knows it. Throws InferqError naming the field for what a chat completion cannot say.
 */
export function toChatMessages(instructions: string | null, groups: readonly ItemGroup[]): readonly object[] {
  const messages: Message[] = []
  const calls = new Map<string, boolean>()
  const talk: Talk = { messages, calls, blocks: [] }
  if (instructions !== null && instructions !== '') messages.push({ role: 'system', content: instructions })
  for (const { items, path } of groups) {
    for (const [place, item] of items.entries())
      addItem(talk, item, path === null ? 'previous_response_id' : `${path}[${place}]`)
  }
  for (const [callId, isAnswered] of calls) {
    if (isAnswered) continue
    throw invalid(`No tool output found for function call '${callId.slice(0, 100)}'.`, 'input')
  }
  return messages
}

interface Message {
  readonly role: string
  content: unknown
  thinking_blocks?: readonly unknown[]
  tool_calls?: object[]
  readonly tool_call_id?: string
}

interface Talk {
  readonly messages: Message[]
  /** By id; true once their output has come. */
  readonly calls: Map<string, boolean>
  /** Of the assistant's turn that begins next. */
  blocks: readonly unknown[]
}

function addItem(talk: Talk, item: ResponseItem, path: string): void {
  const { messages, calls } = talk
  const type = typeof item['type'] === 'string' ? item['type'] : 'message'
  switch (type) {
    case 'message':
      addMessage(talk, item, path)
      return
    case 'function_call': {
      const callId = required(item, 'call_id', path)
      const { extra_content: extra } = item
      const call = {
        ...(extra === undefined || extra === null ? {} : { extra_content: extra }),
        id: callId,
        type: 'function',
        function: { name: required(item, 'name', path), arguments: required(item, 'arguments', path) },
      }
      calls.set(callId, false)
      const last = messages.at(-1)
      if (last?.role === 'assistant') last.tool_calls = [...(last.tool_calls ?? []), call]
      else messages.push(turnOf(talk, { role: 'assistant', content: null, tool_calls: [call] }))
      return
    }
    case 'function_call_output': {
      const callId = required(item, 'call_id', path)
      if (!calls.has(callId)) {
        throw invalid(
          `No tool call found for function call output with call_id '${callId.slice(0, 100)}'.`,
          `${path}.call_id`,
        )
      }
      calls.set(callId, true)
      messages.push({ role: 'tool', tool_call_id: callId, content: outputContent(item['output'], `${path}.output`) })
      return
    }
    case 'reasoning':
      talk.blocks = [...talk.blocks, ...openBlocks(item['encrypted_content'])]
      return
    default:
      throw unsupported(
        `Items of type '${type.slice(0, 60)}' are not supported: there are messages, function_call, function_call_output, reasoning and item_reference.`,
        `${path}.type`,
      )
  }
}

function addMessage(talk: Talk, item: ResponseItem, path: string): void {
  const { messages } = talk
  const { role, content } = item
  if (role === undefined) throw missing(`${path}.role`)
  if (content === undefined || content === null) throw missing(`${path}.content`)
  if (role === 'assistant') {
    const text = typeof content === 'string' ? content : assistantText(content, `${path}.content`)
    const last = messages.at(-1)
    // A turn that had its calls before its words.
    if (last?.role === 'assistant' && last.tool_calls !== undefined && last.content === null) last.content = text
    else messages.push(turnOf(talk, { role: 'assistant', content: text }))
    return
  }
  const said = typeof content === 'string' ? content : userContent(content, `${path}.content`)
  messages.push({ role: role === 'user' ? 'user' : 'system', content: said })
}

/** With the proof of the reasoning that came before it. */
function turnOf(talk: Talk, message: Message): Message {
  const { blocks } = talk
  talk.blocks = []
  return blocks.length === 0 ? message : { ...message, thinking_blocks: blocks }
}

function assistantText(content: unknown, path: string): string {
  return partsOf(content)
    .map((part, place) => {
      const type = part['type']
      if (type === 'output_text' || type === 'input_text') return required(part, 'text', `${path}[${place}]`)
      if (type === 'refusal') return required(part, 'refusal', `${path}[${place}]`)
      throw unsupportedPart(type, `${path}[${place}].type`, 'output_text and refusal')
    })
    .join('')
}

function userContent(content: unknown, path: string): unknown {
  const parts = partsOf(content).map((part, place) => toChatPart(part, `${path}[${place}]`))
  const [first] = parts
  return parts.length === 1 && first?.['type'] === 'text' ? first['text'] : parts
}

/** What a tool gave. Texts are one text: not every backend takes parts here. */
function outputContent(output: unknown, path: string): unknown {
  if (output === undefined || output === null) throw missing(path)
  if (typeof output === 'string') return output
  const parts = partsOf(output).map((part, place) => toChatPart(part, `${path}[${place}]`))
  return parts.every((part) => part['type'] === 'text') ? parts.map((part) => part['text']).join('\n') : parts
}

function toChatPart(part: Fields, path: string): Fields {
  switch (part['type']) {
    // Text of the assistant may come back inside a message of the user.
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: required(part, 'text', path) }
    case 'input_image': {
      if (hasText(part, 'file_id'))
        throw unsupported('Images by file id are not supported: send image_url.', `${path}.file_id`)
      const url = required(part, 'image_url', path)
      return { type: 'image_url', image_url: { url, ...(hasText(part, 'detail') ? { detail: part['detail'] } : {}) } }
    }
    case 'input_file':
      return toFilePart(part, path)
    default:
      throw unsupportedPart(part['type'], `${path}.type`, 'input_text, input_image and input_file')
  }
}

function toFilePart(part: Fields, path: string): Fields {
  for (const field of ['file_id', 'file_url']) {
    if (hasText(part, field))
      throw unsupported(`Files by ${field} are not supported: send file_data.`, `${path}.${field}`)
  }
  const fileData = required(part, 'file_data', path)
  const name = hasText(part, 'filename') ? { filename: part['filename'] } : {}
  return { type: 'file', file: { ...name, file_data: fileData } }
}

function partsOf(content: unknown): readonly Fields[] {
  return Array.isArray(content) ? (content as readonly Fields[]) : []
}

function hasText(fields: Fields, name: string): boolean {
  return typeof fields[name] === 'string'
}

function required(fields: Fields, name: string, path: string): string {
  const value = fields[name]
  if (typeof value === 'string') return value
  throw missing(`${path}.${name}`)
}

function missing(param: string): InferqError {
  return new InferqError({
    code: 'missing_required_parameter',
    message: `Missing required parameter: '${param}'.`,
    param,
  })
}

function invalid(message: string, param: string): InferqError {
  return new InferqError({ code: 'invalid_value', message, param })
}

function unsupported(message: string, param: string): InferqError {
  return new InferqError({ code: 'unsupported_parameter', message, param })
}

function unsupportedPart(type: unknown, param: string, known: string): InferqError {
  return unsupported(`Parts of type '${String(type).slice(0, 60)}' are not supported here: there are ${known}.`, param)
}
