import { crc32 } from 'node:zlib'

/** An answer in no vendor's form. */
export interface Reading {
  text: string
  reasoning: string
  refusal: string
  calls: { name: string; arguments: string }[]
  /** The wire's own word. */
  finish: string | undefined
  /** Tokens of prompt and answer in all, cached and thought ones included. */
  usage: { prompt: number; completion: number; cached: number } | undefined
  /** The message of an error in the middle of a stream. */
  error: string | undefined
}

type Json = Record<string, unknown>

/** Reads the fields it is told to; whatever is missing is undefined. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads seven vendors' JSON, and fails where it is not as expected.
export type Loose = any

function emptyReading(): Reading {
  return { text: '', reasoning: '', refusal: '', calls: [], finish: undefined, usage: undefined, error: undefined }
}

/** The payloads of server-sent events, whatever ends their lines; `[DONE]` left out. Throws on what is no JSON. */
export function sseData(text: string): Loose[] {
  return text
    .split(/\r?\n\r?\n/)
    .flatMap((block) => block.split(/\r?\n/).filter((line) => line.startsWith('data: ')))
    .map((line) => line.slice('data: '.length))
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data) as Loose)
}

/** The messages of an AWS event stream. Throws where a checksum is wrong or a payload is no JSON. */
export function frames(bytes: Buffer): { headers: Record<string, string>; payload: Loose }[] {
  const found: { headers: Record<string, string>; payload: Loose }[] = []
  let rest = bytes
  while (rest.length >= 16) {
    const length = rest.readUInt32BE(0)
    if (length > rest.length) break
    const frame = rest.subarray(0, length)
    if (crc32(frame.subarray(0, 8)) !== frame.readUInt32BE(8)) throw new Error('the checksum of a prelude is wrong')
    if (crc32(frame.subarray(0, -4)) !== frame.readUInt32BE(length - 4)) throw new Error('a checksum is wrong')
    const headersEnd = 12 + frame.readUInt32BE(4)
    const headers: Record<string, string> = {}
    for (let at = 12; at < headersEnd; ) {
      const nameEnd = at + 1 + frame.readUInt8(at)
      const valueEnd = nameEnd + 3 + frame.readUInt16BE(nameEnd + 1)
      headers[frame.toString('utf8', at + 1, nameEnd)] = frame.toString('utf8', nameEnd + 3, valueEnd)
      at = valueEnd
    }
    found.push({ headers, payload: JSON.parse(frame.toString('utf8', headersEnd, length - 4)) as Loose })
    rest = rest.subarray(length)
  }
  return found
}

export const readOpenAi = {
  whole: ({ choices: [choice], usage }: Loose): Reading => ({
    text: choice.message.content ?? '',
    reasoning: choice.message.reasoning_content ?? '',
    refusal: choice.message.refusal ?? '',
    calls: (choice.message.tool_calls ?? []).map((call: Loose) => call.function),
    finish: choice.finish_reason,
    usage: openAiUsage(usage),
    error: undefined,
  }),
  stream: (bytes: Buffer): Reading => {
    const reading = emptyReading()
    for (const { choices, usage, error } of sseData(bytes.toString())) {
      if (error) reading.error = error.message
      reading.usage ??= openAiUsage(usage)
      for (const { delta, finish_reason } of choices ?? []) {
        reading.text += delta.content ?? ''
        reading.reasoning += delta.reasoning_content ?? ''
        reading.refusal += delta.refusal ?? ''
        for (const call of delta.tool_calls ?? []) {
          if (call.function.name) reading.calls[call.index] = { name: call.function.name, arguments: '' }
          const known = reading.calls[call.index]
          if (known) known.arguments += call.function.arguments
        }
        reading.finish ??= finish_reason ?? undefined
      }
    }
    return reading
  },
}

function openAiUsage(usage: Loose): Reading['usage'] {
  if (!usage) return undefined
  const cached = usage.prompt_tokens_details.cached_tokens
  return { prompt: usage.prompt_tokens, completion: usage.completion_tokens, cached }
}

export const readOllama = {
  whole: ({ message, done_reason, ...rest }: Loose): Reading => ({
    ...emptyReading(),
    text: message.content,
    reasoning: message.thinking ?? '',
    calls: (message.tool_calls ?? []).map((call: Loose) => written(call.function.name, call.function.arguments)),
    finish: done_reason,
    usage: rest.eval_count && { prompt: rest.prompt_eval_count, completion: rest.eval_count, cached: 0 },
  }),
  stream: (bytes: Buffer): Reading => {
    const reading = emptyReading()
    for (const line of bytes.toString().split('\n')) {
      if (line === '') continue
      const chunk = JSON.parse(line) as Loose
      if (chunk.error) reading.error = chunk.error
      else add(reading, readOllama.whole(chunk))
    }
    return reading
  },
}

export const readAnthropic = {
  whole: ({ content, stop_reason, stop_details, usage }: Loose): Reading => {
    const of = (type: string) => content.filter((block: Loose) => block.type === type)
    return {
      ...emptyReading(),
      text: of('text')
        .map(({ text }: Loose) => text)
        .join(''),
      reasoning: of('thinking')
        .map(({ thinking }: Loose) => thinking)
        .join(''),
      refusal: stop_details?.explanation ?? '',
      calls: of('tool_use').map(({ name, input }: Loose) => written(name, input)),
      finish: stop_reason,
      usage: anthropicUsage(usage, usage?.output_tokens),
    }
  },
  stream: (bytes: Buffer): Reading => {
    const reading = emptyReading()
    const blocks: Loose[] = []
    for (const event of sseData(bytes.toString())) {
      if (event.type === 'content_block_start') {
        if (event.index !== blocks.length) throw new Error('the blocks are not numbered in order')
        blocks.push({ ...event.content_block, input: '', open: true })
      } else if (event.type === 'content_block_delta') {
        const block = blocks[event.index]
        if (!block?.open) throw new Error('a delta for a block that is not open')
        block.text += event.delta.text ?? ''
        block.thinking += event.delta.thinking ?? ''
        block.input += event.delta.partial_json ?? ''
      } else if (event.type === 'content_block_stop') {
        blocks[event.index].open = false
      } else if (event.type === 'message_delta') {
        if (blocks.some(({ open }) => open)) throw new Error('a block was left open')
        reading.finish = event.delta.stop_reason
        reading.refusal = event.delta.stop_details?.explanation ?? ''
        reading.usage = anthropicUsage(event.usage, event.usage?.output_tokens)
      } else if (event.type === 'error') {
        reading.error = event.error.message
      }
    }
    for (const block of blocks) {
      if (block.type === 'text') reading.text += block.text
      if (block.type === 'thinking') reading.reasoning += block.thinking
      if (block.type === 'tool_use') reading.calls.push({ name: block.name, arguments: block.input })
    }
    return reading
  },
}

function anthropicUsage(usage: Loose, completion: number): Reading['usage'] {
  if (!usage) return undefined
  const cached = usage.cache_read_input_tokens
  return { prompt: usage.input_tokens + cached + usage.cache_creation_input_tokens, completion, cached }
}

export const readGemini = {
  whole: ({ candidates, promptFeedback, usageMetadata, error }: Loose): Reading => {
    const reading = emptyReading()
    const [candidate] = candidates ?? []
    for (const part of candidate?.content?.parts ?? []) {
      if (part.functionCall) reading.calls.push(written(part.functionCall.name, part.functionCall.args))
      else if (part.thought) reading.reasoning += part.text
      else reading.text += part.text
    }
    reading.finish = candidate?.finishReason ?? promptFeedback?.blockReason
    reading.error = error?.message
    if (usageMetadata) {
      const { promptTokenCount: prompt, cachedContentTokenCount: cached = 0, totalTokenCount } = usageMetadata
      reading.usage = { prompt, completion: totalTokenCount - prompt, cached }
    }
    return reading
  },
  stream: (bytes: Buffer): Reading => {
    const reading = emptyReading()
    for (const chunk of sseData(bytes.toString())) add(reading, readGemini.whole(chunk))
    return reading
  },
}

export const readCohere = {
  whole: ({ message, finish_reason, usage }: Loose): Reading => {
    const of = (type: string) => (message.content ?? []).filter((block: Loose) => block.type === type)
    return {
      ...emptyReading(),
      text: of('text')
        .map(({ text }: Loose) => text)
        .join(''),
      reasoning: of('thinking').map(({ thinking }: Loose) => thinking)[0] ?? message.tool_plan ?? '',
      calls: (message.tool_calls ?? []).map((call: Loose) => call.function),
      finish: finish_reason,
      usage: cohereUsage(usage),
    }
  },
  stream: (bytes: Buffer): Reading => {
    const reading = emptyReading()
    for (const { type, delta, index } of sseData(bytes.toString())) {
      if (type === 'content-delta') {
        reading.text += delta.message.content.text ?? ''
        reading.reasoning += delta.message.content.thinking ?? ''
      } else if (type === 'tool-plan-delta') {
        reading.reasoning += delta.message.tool_plan
      } else if (type === 'tool-call-start') {
        reading.calls[index] = { name: delta.message.tool_calls.function.name, arguments: '' }
      } else if (type === 'tool-call-delta') {
        const call = reading.calls[index]
        if (call) call.arguments += delta.message.tool_calls.function.arguments
      } else if (type === 'message-end') {
        reading.finish = delta.finish_reason
        reading.error = delta.error
        reading.usage = cohereUsage(delta.usage)
      }
    }
    return reading
  },
}

function cohereUsage(usage: Loose): Reading['usage'] {
  if (!usage) return undefined
  const { input_tokens: prompt, output_tokens: completion } = usage.tokens
  return { prompt, completion, cached: usage.cached_tokens }
}

export const readBedrock = {
  whole: ({ output, stopReason, usage }: Loose): Reading => {
    const reading = { ...emptyReading(), finish: stopReason, usage: bedrockUsage(usage) }
    for (const { text, reasoningContent, toolUse } of output.message.content) {
      reading.text += text ?? ''
      reading.reasoning += reasoningContent?.reasoningText.text ?? ''
      if (toolUse) reading.calls.push(written(toolUse.name, toolUse.input))
    }
    return reading
  },
  stream: (bytes: Buffer): Reading => {
    const reading = emptyReading()
    for (const { headers, payload } of frames(bytes)) {
      if (headers[':message-type'] === 'exception') reading.error = payload.message
      const toolUse = payload.start?.toolUse
      if (toolUse) reading.calls.push({ name: toolUse.name, arguments: '' })
      reading.text += payload.delta?.text ?? ''
      reading.reasoning += payload.delta?.reasoningContent?.text ?? ''
      const call = reading.calls.at(-1)
      if (call) call.arguments += payload.delta?.toolUse?.input ?? ''
      reading.finish ??= payload.stopReason
      reading.usage ??= bedrockUsage(payload.usage)
    }
    return reading
  },
}

function bedrockUsage(usage: Loose): Reading['usage'] {
  if (!usage) return undefined
  const { inputTokens, outputTokens, cacheReadInputTokens: cached, cacheWriteInputTokens } = usage
  return { prompt: inputTokens + cached + cacheWriteInputTokens, completion: outputTokens, cached }
}

function add(reading: Reading, more: Reading): void {
  reading.text += more.text
  reading.reasoning += more.reasoning
  reading.calls.push(...more.calls)
  reading.finish = more.finish ?? reading.finish
  reading.usage = more.usage ?? reading.usage
  reading.error = more.error ?? reading.error
}

function written(name: string, value: unknown): { name: string; arguments: string } {
  return { name, arguments: typeof value === 'string' ? value : JSON.stringify(value as Json) }
}
