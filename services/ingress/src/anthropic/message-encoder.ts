import type { ChoiceDelta, EndPayload } from '@inferq/contracts'
import { type ChunkEncoder, choicesOf } from '../dialects/chunk-encoder.ts'
import { BlockWriter } from './block-writer.ts'
import { isObject } from './fault.ts'
import { type MessageIdentity, toolId } from './message.ts'
import { stopOf, toAnthropicUsage } from './stop.ts'

export interface MessageEncoderOptions extends MessageIdentity {
  /** What `message_start` says, before anybody has counted; `message_delta` has the count. */
  readonly inputTokens: number
}

/**
 * The events of a streamed message (https://docs.claude.com/en/docs/build-with-claude/streaming):
 *
 *   message_start, ping, (content_block_start, content_block_delta…, content_block_stop)…, message_delta, message_stop
 *
 * `message_start` comes with the first block, so that what failed before can still be a status.
 */
export function createMessageEncoder(options: MessageEncoderOptions): ChunkEncoder {
  const { id, model } = options
  let text = ''
  let isStarted = false
  let finishReason: string | null = null
  let stopSequence: unknown

  const emit = (type: string, fields: object): void => {
    text += event(type, fields)
  }
  const start = (usage = toAnthropicUsage({ promptTokens: options.inputTokens, completionTokens: 0 })): void => {
    if (isStarted) return
    isStarted = true
    const message = {
      id,
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
    }
    emit('message_start', { message: { ...message, stop_details: null, usage } })
    emit('ping', {})
  }
  const writer = new BlockWriter(
    {
      start(index, block) {
        start()
        emit('content_block_start', { index, content_block: block })
      },
      delta: (index, delta) => emit('content_block_delta', { index, delta }),
      stop: (index) => emit('content_block_stop', { index }),
    },
    (key) => toolId(id, key),
  )
  const flush = (): string => {
    const written = text
    text = ''
    return written
  }
  const note = (choice: Readonly<Record<string, unknown>> | ChoiceDelta): void => {
    const { finish_reason: reason, stop_reason: sequence } = choice as Readonly<Record<string, unknown>>
    if (typeof reason === 'string') finishReason = reason
    if (typeof sequence === 'string') stopSequence = sequence
  }

  return {
    text(said) {
      writer.text(said)
      return flush()
    },
    deltas(deltas) {
      for (const part of deltas) {
        // A message is one answer.
        if (part.index !== 0) continue
        note(part)
        if (part.delta !== undefined) writer.read(part.delta)
      }
      return flush()
    },
    end(end: EndPayload) {
      const { usage = { promptTokens: options.inputTokens, completionTokens: 0 } } = end
      const counted = toAnthropicUsage(usage)
      // Nothing was streamed: the upstream answered whole, or this is an answer that was kept.
      const [choice] = isStarted ? [] : choicesOf(end.result)
      start({ ...counted, output_tokens: 0 })
      if (choice !== undefined) {
        note(choice)
        if (isObject(choice['message'])) writer.read(choice['message'], true)
      }
      writer.finish()
      const { called, refused } = writer
      const reason = finishReason ?? end.finishReason ?? null
      emit('message_delta', { delta: stopOf({ reason, stopSequence, called, refused }), usage: counted })
      emit('message_stop', {})
      return flush()
    },
  }
}

/** One of Anthropic's events: the type stands in the data again. */
export function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}
