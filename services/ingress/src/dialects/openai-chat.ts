import type { ChoiceDelta } from '@inferq/contracts'
import { toOpenAiUsage } from '../usage.ts'
import { type ChunkEncoder, type ChunkOptions, choicesOf, chunkFrame, doneEvent } from './chunk-encoder.ts'

/** `chat.completion.chunk`s. The first chunk of each choice carries the role. */
export function createChatChunkEncoder(options: ChunkOptions): ChunkEncoder {
  const { head, tail } = chunkFrame('chat.completion.chunk', options)
  const textHead = `${head}{"index":0,"delta":{"content":`
  const textTail = `},"finish_reason":null}${tail}`
  /** Choices whose role the client has, and those that have their finish reason. */
  const opened = new Set<number>()
  const finished = new Set<number>()

  const chunk = (choice: object): string => head + JSON.stringify(choice) + tail

  const deltas = (parts: readonly ChoiceDelta[]): string => {
    let text = ''
    for (const { index, delta = {}, finish_reason = null, ...rest } of parts) {
      const role = opened.has(index) || delta['role'] !== undefined ? {} : { role: 'assistant' }
      opened.add(index)
      if (finish_reason !== null) finished.add(index)
      text += chunk({ index, delta: { ...role, ...delta }, ...rest, finish_reason })
    }
    return text
  }

  return {
    text(text) {
      if (opened.has(0)) return textHead + JSON.stringify(text) + textTail
      return deltas([{ index: 0, delta: { content: text } }])
    },
    deltas,
    end(end) {
      let text = ''
      if (opened.size === 0) text += deltas(choicesOf(end.result).map(toDelta))
      if (opened.size === 0) opened.add(0)
      for (const index of opened) {
        if (!finished.has(index)) text += deltas([{ index, finish_reason: end.finishReason ?? 'stop' }])
      }
      if (options.includeUsage && end.usage) {
        text += `${head}],"usage":${JSON.stringify(toOpenAiUsage(end.usage))}}\n\n`
      }
      return text + doneEvent
    },
  }
}

function toDelta(choice: Readonly<Record<string, unknown>>, place: number): ChoiceDelta {
  const { message, finish_reason, logprobs, index } = choice
  return {
    index: typeof index === 'number' ? index : place,
    delta: typeof message === 'object' && message !== null ? withCallIndexes({ ...message }) : {},
    ...(logprobs === undefined ? {} : { logprobs }),
    finish_reason: typeof finish_reason === 'string' ? finish_reason : null,
  }
}

/** In a stream each tool call says which it is; in a whole answer its place does. */
function withCallIndexes(message: Record<string, unknown>): Readonly<Record<string, unknown>> {
  const { tool_calls: calls } = message
  if (!Array.isArray(calls)) return message
  return { ...message, tool_calls: calls.map((call: object, index) => ({ index, ...call })) }
}
