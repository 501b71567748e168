import { isObject, type JsonObject } from './json.ts'

/** What only Claude reads, on a request, a message, a part of its content, a call or a tool. */
const marks: readonly string[] = ['cache_control', 'thinking_blocks', 'is_error', 'output_config']

/**
 * The body without what only Claude understands, for servers that refuse fields they do not know: marks of Anthropic's
 * cache, signed thoughts, the mark of a tool that failed (its text tells it too). Pictures in a tool's result, for which
 * OpenAI's wire has no place, follow as a turn of the user. Changes nothing where there is nothing of the kind.
 */
export function withoutClaudeFields(body: JsonObject): JsonObject {
  const { messages, tools } = body
  if (!hasAnyOfIt(body)) return { ...body }
  return {
    ...without(body),
    ...(Array.isArray(messages) ? { messages: picturesAfterResults(messages.map(cleanMessage)) } : {}),
    ...(Array.isArray(tools) ? { tools: tools.map(withoutMarks) } : {}),
  }
}

/** Most requests hold nothing of the kind, and cost no more than this look. */
function hasAnyOfIt(body: JsonObject): boolean {
  const { messages, tools } = body
  if (hasMarks(body)) return true
  if (Array.isArray(tools) && tools.some(isMarked)) return true
  return Array.isArray(messages) && messages.some(isOfClaude)
}

function isOfClaude(message: unknown): boolean {
  if (!isObject(message)) return false
  const { content, tool_calls: calls } = message
  if (hasMarks(message)) return true
  // What a tool has given in parts may hold pictures.
  if (Array.isArray(content) && (message['role'] === 'tool' || content.some(isMarked))) return true
  return Array.isArray(calls) && calls.some(isMarked)
}

function isMarked(item: unknown): boolean {
  return isObject(item) && hasMarks(item)
}

function cleanMessage(message: unknown): unknown {
  if (!isObject(message)) return message
  const { content, tool_calls: calls } = message
  const parts = Array.isArray(content) && content.some(isMarked) ? { content: content.map(withoutMarks) } : {}
  const called = Array.isArray(calls) && calls.some(isMarked) ? { tool_calls: calls.map(withoutMarks) } : {}
  return { ...without(message), ...parts, ...called }
}

/** A tool, a part or a call without them. */
export function withoutMarks(item: unknown): unknown {
  return isObject(item) ? without(item) : item
}

function without(object: JsonObject): JsonObject {
  if (!hasMarks(object)) return object
  return Object.fromEntries(Object.entries(object).filter(([name]) => !marks.includes(name)))
}

function hasMarks(object: JsonObject): boolean {
  for (const mark of marks) if (mark in object) return true
  return false
}

/** After the last result of a turn: between two results nothing may stand. */
function picturesAfterResults(messages: readonly unknown[]): unknown[] {
  const sent: unknown[] = []
  let pictures: unknown[] = []
  const release = (): void => {
    if (pictures.length > 0) sent.push({ role: 'user', content: pictures })
    pictures = []
  }
  for (const message of messages) {
    if (!isObject(message) || message['role'] !== 'tool') {
      release()
      sent.push(message)
      continue
    }
    const { content, tool_call_id: id } = message
    const others = Array.isArray(content) ? content.filter((part) => isObject(part) && part['type'] !== 'text') : []
    if (!Array.isArray(content) || others.length === 0) {
      sent.push(message)
      continue
    }
    const texts = content.flatMap((part: unknown) =>
      isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [],
    )
    sent.push({ ...message, content: texts.length === 0 ? 'See the next message.' : texts.join('\n') })
    pictures.push({ type: 'text', text: `Result of the tool call ${String(id)}:` }, ...others)
  }
  release()
  return sent
}
