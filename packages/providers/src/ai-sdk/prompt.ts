import type { LanguageModelV4Message, LanguageModelV4Prompt } from '@ai-sdk/provider'
import { isObject, isVoid, type JsonObject, refused } from '../json.ts'
import { cacheOptions, type MediaPart, readMedia } from './media.ts'
import type { SdkWire } from './sdk.ts'

type AssistantPart = Extract<LanguageModelV4Message, { role: 'assistant' }>['content'][number]
type ToolMessage = Extract<LanguageModelV4Message, { role: 'tool' }>
type ToolResult = Extract<ToolMessage['content'][number], { type: 'tool-result' }>
type TextPart = Extract<AssistantPart, { type: 'text' }>

/**
 * OpenAI's messages as an SDK's prompt. System and developer messages come first, wherever they stood: three of the four
 * wires have one place for them. Neighbouring results of tools become one message, as all wires want the results of one
 * turn together. Throws `upstream_invalid_request` naming the field that cannot be said.
 */
export function toPrompt(messages: unknown, wire: SdkWire): LanguageModelV4Prompt {
  if (!Array.isArray(messages)) throw refused('messages', 'The messages must be a list.')
  const system: LanguageModelV4Message[] = []
  const talk: LanguageModelV4Message[] = []
  const toolNames = new Map<string, string>()
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`
    if (!isObject(message)) throw refused(path, 'A message must be an object.')
    const content = `${path}.content`
    switch (message['role']) {
      case 'system':
      case 'developer':
        for (const part of readParts(message['content'], content, wire)) {
          if (part.type !== 'text') throw refused(content, 'Instructions are texts.')
          system.push({ role: 'system', content: part.text, ...optionsOf(part) })
        }
        break
      case 'user':
        talk.push({ role: 'user', content: readParts(message['content'], content, wire) })
        break
      case 'assistant': {
        const parts = assistantParts(message, path, toolNames)
        // Nothing said, nothing called: no wire takes an empty turn.
        if (parts.length > 0) talk.push({ role: 'assistant', content: parts })
        break
      }
      case 'tool': {
        const result = toolResult(message, path, toolNames, wire)
        const last = talk.at(-1)
        if (last?.role === 'tool') last.content.push(result)
        else talk.push({ role: 'tool', content: [result] })
        break
      }
      default:
        throw refused(`${path}.role`, 'This upstream knows the roles system, developer, user, assistant and tool.')
    }
  }
  return [...system, ...talk]
}

function readParts(content: unknown, path: string, wire: SdkWire): (TextPart | MediaPart)[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw refused(path, 'The content must be a text or a list of parts.')
  return content.map((part, index) => readPart(part, `${path}[${index}]`, wire))
}

function readPart(part: unknown, path: string, wire: SdkWire): TextPart | MediaPart {
  if (!isObject(part)) throw refused(path, 'A part must be an object.')
  const text = part['text'] ?? part['refusal']
  if (typeof text === 'string') return { type: 'text', text, ...cacheOptions(part) }
  return { ...readMedia(part, path, wire), ...cacheOptions(part) }
}

function optionsOf(part: TextPart): Pick<TextPart, 'providerOptions'> {
  return part.providerOptions === undefined ? {} : { providerOptions: part.providerOptions }
}

function assistantParts(message: JsonObject, path: string, toolNames: Map<string, string>): AssistantPart[] {
  if (!isVoid(message['function_call'])) {
    throw refused(`${path}.function_call`, 'This upstream knows tool_calls, not their predecessor function_call.')
  }
  const { content, tool_calls: calls } = message
  const texts = isVoid(content) || content === '' ? [] : assistantTexts(content, `${path}.content`)
  if (!isVoid(calls) && !Array.isArray(calls)) throw refused(`${path}.tool_calls`, 'The tool calls must be a list.')
  return [
    ...thinkingParts(message['thinking_blocks']),
    ...texts,
    ...(Array.isArray(calls) ? calls : []).map((call, index) =>
      toolCall(call, `${path}.tool_calls[${index}].function`, toolNames),
    ),
  ]
}

function assistantTexts(content: unknown, path: string): TextPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw refused(path, 'The content must be a text or a list of parts.')
  return content.flatMap((part, index): TextPart[] => {
    const text = isObject(part) ? (part['text'] ?? part['refusal']) : undefined
    if (typeof text !== 'string') throw refused(`${path}[${index}]`, 'An assistant speaks in texts.')
    return text === '' || !isObject(part) ? [] : [{ type: 'text', text, ...cacheOptions(part) }]
  })
}

/**
 * Thinking goes back only with its signature, as `thinking_blocks` of an earlier answer carry it: Claude refuses any other,
 * and no model needs `reasoning_content` again.
 */
function thinkingParts(blocks: unknown): AssistantPart[] {
  if (!Array.isArray(blocks)) return []
  return blocks.flatMap((block): AssistantPart[] => {
    if (!isObject(block)) return []
    const { thinking, signature, data } = block
    const proof =
      typeof signature === 'string' ? { signature } : typeof data === 'string' ? { redactedData: data } : undefined
    if (proof === undefined) return []
    const text = typeof thinking === 'string' ? thinking : ''
    return [{ type: 'reasoning', text, providerOptions: { anthropic: proof, amazonBedrock: proof } }]
  })
}

function toolCall(call: unknown, path: string, toolNames: Map<string, string>): AssistantPart {
  const called = isObject(call) ? call['function'] : undefined
  if (!isObject(call) || !isObject(called) || typeof called['name'] !== 'string') {
    throw refused(path, 'This upstream takes calls of functions only.')
  }
  const { id } = call
  if (typeof id !== 'string') throw refused(path.replace(/function$/, 'id'), 'A tool call must have an id.')
  toolNames.set(id, called['name'])
  const signature = googleSignature(call['extra_content'])
  const { providerOptions } = cacheOptions(call)
  return {
    type: 'tool-call',
    toolCallId: id,
    toolName: called['name'],
    input: readArguments(called['arguments'], `${path}.arguments`),
    ...(signature === undefined && providerOptions === undefined
      ? {}
      : {
          providerOptions: {
            ...providerOptions,
            ...(signature === undefined ? {} : { google: { thoughtSignature: signature } }),
          },
        }),
  }
}

/** Where Google's own OpenAI endpoint carries the signature Gemini wants back with a call: `extra_content.google`. */
function googleSignature(extra: unknown): string | undefined {
  const google = isObject(extra) ? extra['google'] : undefined
  const signature = isObject(google) ? google['thought_signature'] : undefined
  return typeof signature === 'string' ? signature : undefined
}

/** OpenAI's arguments are JSON in a text; these wires want the object. */
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

function toolResult(
  message: JsonObject,
  path: string,
  toolNames: ReadonlyMap<string, string>,
  wire: SdkWire,
): ToolResult {
  const { tool_call_id: id, name, content } = message
  if (typeof id !== 'string') throw refused(`${path}.tool_call_id`, 'The result of a tool must name its call.')
  const toolName = toolNames.get(id) ?? (typeof name === 'string' ? name : undefined)
  if (toolName === undefined) throw refused(`${path}.tool_call_id`, 'No earlier message calls a tool under this id.')
  const parts = isVoid(content) ? [] : readParts(content, `${path}.content`, wire)
  const output = toolOutput(parts, message['is_error'] === true)
  return { type: 'tool-result', toolCallId: id, toolName, output, ...cacheOptions(message) }
}

/** Only a failure that is told in words has a form of its own. */
function toolOutput(parts: readonly (TextPart | MediaPart)[], isError: boolean): ToolResult['output'] {
  if (parts.every((part) => part.type === 'text')) {
    return { type: isError ? 'error-text' : 'text', value: parts.map(({ text }) => text).join('\n') }
  }
  return { type: 'content', value: parts.map(({ providerOptions: _, ...part }) => part) }
}
