import { InferqError } from '@inferq/contracts'
import { estimateTokenCount } from 'tokenx'
import { isObject, type JsonObject } from './json.ts'
import type { CompletionSink, ProviderCall } from './port.ts'
import { missingDefaults } from './request-defaults.ts'

/** What is given of the answer, when there is something. Throws `internal_error` where nobody should have asked. */
export function givenText(call: ProviderCall, operation: 'chat' | 'text', continues: boolean): string | undefined {
  const { continueFrom } = call
  if (continueFrom === undefined || continueFrom === '') return undefined
  if (continues && operation === 'chat' && (call.request['n'] ?? 1) === 1) return continueFrom
  throw new InferqError({
    code: 'internal_error',
    message:
      'This call cannot go on with a given beginning: the provider, the operation or the number of choices forbids it.',
  })
}

const bounds = ['max_tokens', 'max_completion_tokens'] as const

/** The request for what is left of the answer: its bound on the length is less by what is given, as far as that can be told. */
export function requestForRest(
  request: Readonly<JsonObject>,
  defaults: Readonly<JsonObject>,
  given: string,
): JsonObject {
  const rest: JsonObject = { ...request, ...pickBounds(missingDefaults(request, defaults)) }
  const givenTokens = estimateTokenCount(given)
  for (const bound of bounds) {
    const value = rest[bound]
    if (typeof value === 'number') rest[bound] = Math.max(1, value - givenTokens)
  }
  return rest
}

function pickBounds(defaults: Readonly<JsonObject>): JsonObject {
  return Object.fromEntries(bounds.flatMap((bound) => (bound in defaults ? [[bound, defaults[bound]]] : [])))
}

/**
 * The messages with the answer's beginning as the last one. Where the client itself had given the beginning (`isGiven` of
 * its last message), the two are one.
 */
export function messagesForRest(
  messages: unknown,
  given: string,
  isGiven: (message: JsonObject) => boolean,
  flags: JsonObject,
): unknown {
  if (!Array.isArray(messages)) return messages
  const last: unknown = messages.at(-1)
  if (!isObject(last) || last['role'] !== 'assistant' || typeof last['content'] !== 'string' || !isGiven(last)) {
    return [...messages, { role: 'assistant', content: given, ...flags }]
  }
  const { content } = last
  return [...messages.slice(0, -1), { ...last, content: given.startsWith(content) ? given : content + given, ...flags }]
}

/** A sink that does not hear the given beginning again, for upstreams that repeat it. */
export function withoutEcho(sink: CompletionSink, given: string): CompletionSink {
  let matched = 0
  let isOver = false
  const release = (text: string): void => {
    isOver = true
    if (text !== '') sink.text(text)
  }
  return {
    text(text) {
      if (isOver) {
        sink.text(text)
        return
      }
      const missing = given.slice(matched)
      if (text.startsWith(missing)) release(text.slice(missing.length))
      else if (missing.startsWith(text)) matched += text.length
      else release(given.slice(0, matched) + text)
    },
    deltas(deltas) {
      // A finish reason in the middle of the beginning: it was none.
      if (!isOver && matched > 0) release(given.slice(0, matched))
      sink.deltas(deltas)
    },
  }
}

/** The text of a whole answer without the given beginning. */
export function cutEcho(result: JsonObject, given: string): JsonObject {
  const { choices } = result
  if (!Array.isArray(choices)) return result
  return {
    ...result,
    choices: choices.map((choice: unknown) => {
      const message = isObject(choice) ? choice['message'] : undefined
      const content = isObject(message) ? message['content'] : undefined
      if (!isObject(choice) || !isObject(message) || typeof content !== 'string' || !content.startsWith(given))
        return choice
      return { ...choice, message: { ...message, content: content.slice(given.length) } }
    }),
  }
}
