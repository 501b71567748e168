import { invalidField } from '../errors.ts'
import type { OfferedTool, Turn } from '../plan.ts'
import { type Fields, isFields } from './fields.ts'

// An image is not looked at; its address alone goes into the prompt.
const imageCharacters = 256

/** The turns of a conversation, on any of the wires. Throws a RequestError with 400. */
export function parseTurns(value: unknown): Turn[] {
  if (!Array.isArray(value)) throw invalidField('messages', 'it must be a list')
  return value.map((message, index) => parseTurn(message, `messages[${index}]`))
}

/** The tools offered, in OpenAI's form, which Ollama shares. */
export function parseTools(value: unknown): OfferedTool[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalidField('tools', 'it must be a list')
  return value.map((tool, index) => {
    const offered: Fields | undefined = isFields(tool) && isFields(tool['function']) ? tool['function'] : undefined
    const name = offered?.['name']
    if (typeof name !== 'string') throw invalidField(`tools[${index}].function.name`, 'it must be a string')
    return { name, parameters: offered?.['parameters'] }
  })
}

function parseTurn(message: unknown, path: string): Turn {
  if (!isFields(message)) throw invalidField(path, 'it must be an object')
  const role = message['role']
  if (typeof role !== 'string') throw invalidField(`${path}.role`, 'it must be a string')
  const text = partText(message['content'] ?? '', `${path}.content`)
  const calls = message['tool_calls']
  return { role, text: calls === undefined || calls === null ? text : text + JSON.stringify(calls) }
}

/** The text of a content that is a string or a list of parts, of which those that are no text are only named. */
export function partText(content: unknown, path: string): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw invalidField(path, 'it must be a string or a list of parts')
  return content
    .map((part: unknown, index) => {
      if (!isFields(part)) throw invalidField(`${path}[${index}]`, 'it must be an object')
      const text = part['text']
      return typeof text === 'string' ? text : JSON.stringify(part).slice(0, imageCharacters)
    })
    .join('\n')
}
