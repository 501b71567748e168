import type { EndPayload, TokenUsage } from '@inferq/contracts'
import { choicesOf } from '../dialects/chunk-encoder.ts'
import { type BlockSink, BlockWriter, parseJson } from './block-writer.ts'
import { isObject, type JsonObject } from './fault.ts'
import { stopOf, toAnthropicUsage } from './stop.ts'

/** What every form of an answer says of itself. */
export interface MessageIdentity {
  /** `msg_…` */
  readonly id: string
  /** The public name. */
  readonly model: string
}

/** The result of a chat job as Anthropic's message. */
export function toMessage(identity: MessageIdentity, result: unknown, end: EndPayload): object {
  const [choice] = choicesOf(result)
  const content: JsonObject[] = []
  const writer = new BlockWriter(collectInto(content), (key) => toolId(identity.id, key))
  if (isObject(choice?.['message'])) writer.read(choice['message'], true)
  writer.finish()
  const finish = typeof choice?.['finish_reason'] === 'string' ? choice['finish_reason'] : (end.finishReason ?? null)
  return {
    id: identity.id,
    type: 'message',
    role: 'assistant',
    model: identity.model,
    content,
    ...stopOf({
      reason: finish,
      stopSequence: choice?.['stop_reason'],
      called: writer.called,
      refused: writer.refused,
    }),
    usage: toAnthropicUsage(end.usage ?? usageOf(result)),
  }
}

/** An id for a call that the upstream gave none: the same in the stream and in the whole answer. */
export function toolId(messageId: string, key: number): string {
  return `toolu_${messageId.slice('msg_'.length)}_${key}`
}

/**
 * The input of a call, from the JSON that the model wrote. Where that is broken, and so no object, it is handed on under the
 * name that Anthropic's guide to streamed tool inputs gives it: the client can show it to the model again.
 */
function toToolInput(text: string): JsonObject {
  if (text.trim() === '') return {}
  const input = parseJson(text)
  return isObject(input) ? input : { INVALID_JSON: text }
}

function collectInto(content: JsonObject[]): BlockSink {
  let block: Record<string, unknown> = {}
  let input = ''
  return {
    start(_index, started) {
      block = { ...started }
      input = ''
    },
    delta(_index, delta) {
      if (delta['type'] === 'text_delta') block['text'] = `${block['text']}${delta['text']}`
      else if (delta['type'] === 'thinking_delta') block['thinking'] = `${block['thinking']}${delta['thinking']}`
      else if (delta['type'] === 'signature_delta') block['signature'] = delta['signature']
      else if (delta['type'] === 'input_json_delta') input += String(delta['partial_json'])
    },
    stop() {
      content.push(block['type'] === 'tool_use' ? { ...block, input: toToolInput(input) } : block)
    },
  }
}

/** The usage within a result; there is one wherever an end has none. */
function usageOf(result: unknown): TokenUsage {
  const usage = isObject(result) && isObject(result['usage']) ? result['usage'] : {}
  const { prompt_tokens: prompt, completion_tokens: completion } = usage
  return {
    promptTokens: typeof prompt === 'number' ? prompt : 0,
    completionTokens: typeof completion === 'number' ? completion : 0,
  }
}
