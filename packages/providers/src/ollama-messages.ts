import { isObject, isVoid, type JsonObject, refused } from './json.ts'

/** OpenAI's messages in the form of Ollama's `/api/chat`. Throws `upstream_invalid_request` naming the field it cannot say. */
export function toOllamaMessages(messages: unknown): JsonObject[] {
  if (!Array.isArray(messages)) throw refused('messages', 'The messages must be a list.')
  const toolNames = new Map<string, string>()
  return messages.map((message, index) => {
    const path = `messages[${index}]`
    if (!isObject(message)) throw refused(path, 'A message must be an object.')
    return toOllamaMessage(message, path, toolNames)
  })
}

const roles: Readonly<Record<string, string>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
}

function toOllamaMessage(message: JsonObject, path: string, toolNames: Map<string, string>): JsonObject {
  const role = typeof message['role'] === 'string' ? roles[message['role']] : undefined
  if (role === undefined) throw refused(`${path}.role`, 'Ollama knows no such role.')
  const { text, images } = readContent(message['content'], `${path}.content`)
  const thinking = message['reasoning_content'] ?? message['reasoning']
  const toolCalls = toOllamaToolCalls(message['tool_calls'], path, toolNames)
  return {
    role,
    content: text,
    ...(images.length === 0 ? {} : { images }),
    ...(typeof thinking === 'string' && thinking !== '' ? { thinking } : {}),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
    ...(role === 'tool' ? toolResultFields(message, toolNames) : {}),
  }
}

/** Ollama knows the result of a tool by the tool's name, OpenAI by the call's id. */
function toolResultFields(message: JsonObject, toolNames: ReadonlyMap<string, string>): JsonObject {
  const { tool_call_id: id, name } = message
  const toolName = typeof name === 'string' ? name : typeof id === 'string' ? toolNames.get(id) : undefined
  return {
    ...(toolName === undefined ? {} : { tool_name: toolName }),
    ...(typeof id === 'string' ? { tool_call_id: id } : {}),
  }
}

function readContent(content: unknown, path: string): { text: string; images: string[] } {
  if (isVoid(content)) return { text: '', images: [] }
  if (typeof content === 'string') return { text: content, images: [] }
  if (!Array.isArray(content)) throw refused(path, 'The content must be a text or a list of parts.')
  const texts: string[] = []
  const images: string[] = []
  for (const [index, part] of content.entries()) {
    const partPath = `${path}[${index}]`
    if (!isObject(part)) throw refused(partPath, 'A part must be an object.')
    if (typeof part['text'] === 'string') texts.push(part['text'])
    else if (typeof part['refusal'] === 'string') texts.push(part['refusal'])
    else if (part['type'] === 'image_url') images.push(readImage(part['image_url'], `${partPath}.image_url`))
    else throw refused(`${partPath}.type`, 'Ollama takes parts of type text and image_url only.')
  }
  return { text: texts.join('\n'), images }
}

/** The base64 of a data URL: Ollama fetches nothing, and neither do we for a client. */
function readImage(image: unknown, path: string): string {
  const [url, urlPath] = isObject(image) ? [image['url'], `${path}.url`] : [image, path]
  if (typeof url !== 'string') throw refused(urlPath, 'The image must be a data URL.')
  const match = /^data:[^,]*;base64,/i.exec(url.slice(0, 256))
  if (match === null) {
    throw refused(urlPath, 'Ollama takes images as base64 data URLs (data:image/png;base64,…), not by address.')
  }
  return url.slice(match[0].length)
}

function toOllamaToolCalls(calls: unknown, path: string, toolNames: Map<string, string>): JsonObject[] {
  if (isVoid(calls)) return []
  if (!Array.isArray(calls)) throw refused(`${path}.tool_calls`, 'The tool calls must be a list.')
  return calls.map((call, index) => {
    const callPath = `${path}.tool_calls[${index}].function`
    const called = isObject(call) ? call['function'] : undefined
    if (!isObject(call) || !isObject(called) || typeof called['name'] !== 'string') {
      throw refused(callPath, 'Ollama takes calls of functions only.')
    }
    const { id } = call
    if (typeof id === 'string') toolNames.set(id, called['name'])
    return {
      ...(typeof id === 'string' ? { id } : {}),
      function: { name: called['name'], arguments: readArguments(called['arguments'], `${callPath}.arguments`) },
    }
  })
}

/** OpenAI's arguments are JSON in a text, Ollama's an object. */
function readArguments(text: unknown, path: string): JsonObject {
  if (isObject(text)) return text
  if (isVoid(text) || text === '') return {}
  try {
    const value: unknown = typeof text === 'string' ? JSON.parse(text) : undefined
    if (isObject(value)) return value
  } catch {
    // Refused below, like anything that is no object.
  }
  throw refused(path, 'The arguments of a tool call must be a JSON object.')
}
