import type { ChoiceDelta } from '@inferq/contracts'
import { toOpenAiUsage } from '../usage.ts'
import { type ChunkEncoder, type ChunkOptions, choicesOf, chunkFrame, doneEvent } from './chunk-encoder.ts'

/** Chunks of the older text completions (`text_completion`). */
export function createTextChunkEncoder(options: ChunkOptions): ChunkEncoder {
  const { head, tail } = chunkFrame('text_completion', options)
  const textTail = `,"logprobs":null,"finish_reason":null}${tail}`
  const opened = new Set<number>()
  const finished = new Set<number>()

  const deltas = (parts: readonly ChoiceDelta[]): string => {
    let text = ''
    for (const { index, text: part = '', logprobs = null, finish_reason = null, delta, ...rest } of parts) {
      opened.add(index)
      if (finish_reason !== null) finished.add(index)
      text += head + JSON.stringify({ index, text: part, ...delta, logprobs, ...rest, finish_reason }) + tail
    }
    return text
  }

  return {
    text(text) {
      opened.add(0)
      return `${head}{"index":0,"text":${JSON.stringify(text)}${textTail}`
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
  const { text, finish_reason, logprobs, index } = choice
  return {
    index: typeof index === 'number' ? index : place,
    text: typeof text === 'string' ? text : '',
    ...(logprobs === undefined ? {} : { logprobs }),
    finish_reason: typeof finish_reason === 'string' ? finish_reason : null,
  }
}
