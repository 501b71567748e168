import type { LogEntry, LogKind } from '@inferq/contracts'
import { describe, expect, it } from 'vitest'
import { createJobEventFormat, createOpenAiEventFormat } from '../src/dialects/event-format.ts'
import { createChatChunkEncoder } from '../src/dialects/openai-chat.ts'
import { createTextChunkEncoder } from '../src/dialects/openai-text.ts'

const options = { id: 'chatcmpl-1', created: 7, model: 'a "b"', includeUsage: false }

function events(text: string): { id?: string; event?: string; data?: unknown }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)))
      return { ...fields, ...(fields['data']?.startsWith('{') ? { data: JSON.parse(fields['data']) } : {}) }
    })
}
const entry = (kind: LogKind, payload: unknown, seq = 1, attempt = 1): LogEntry => ({
  attempt,
  seq,
  kind,
  payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
})

describe('chat chunks', () => {
  it('are one event for each text, and cannot be broken by what it says', () => {
    const encoder = createChatChunkEncoder(options)
    encoder.text('first')
    const hostile = 'a\n\ndata: [DONE]\n\n"}\\'
    const text = encoder.text(hostile)
    expect(text.match(/\n\n/g)).toHaveLength(1)
    expect(events(text)).toEqual([
      {
        data: {
          id: 'chatcmpl-1',
          object: 'chat.completion.chunk',
          created: 7,
          model: 'a "b"',
          choices: [{ index: 0, delta: { content: hostile }, finish_reason: null }],
        },
      },
    ])
  })

  it('give each choice its role once and its finish reason once', () => {
    const encoder = createChatChunkEncoder(options)
    const text =
      encoder.deltas([{ index: 1, delta: { content: 'B' } }]) +
      encoder.text('A') +
      encoder.deltas([
        { index: 1, delta: { role: 'assistant', content: 'b' }, logprobs: { content: [] } },
        { index: 1, finish_reason: 'stop' },
      ]) +
      encoder.end({ at: 1, finishReason: 'length' })
    const choices = events(text)
      .slice(0, -1)
      .flatMap(({ data }) => (data as { choices: unknown[] }).choices)
    expect(choices).toEqual([
      { index: 1, delta: { role: 'assistant', content: 'B' }, finish_reason: null },
      { index: 0, delta: { role: 'assistant', content: 'A' }, finish_reason: null },
      { index: 1, delta: { role: 'assistant', content: 'b' }, logprobs: { content: [] }, finish_reason: null },
      { index: 1, delta: {}, finish_reason: 'stop' },
      { index: 0, delta: {}, finish_reason: 'length' },
    ])
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('show a result that was never streamed', () => {
    const message = { role: 'assistant', content: 'Hello' }
    const text = createChatChunkEncoder(options).end({
      at: 1,
      result: { choices: [{ index: 0, message, finish_reason: 'stop' }] },
    })
    expect(events(text)).toMatchObject([
      { data: { choices: [{ delta: message, finish_reason: 'stop' }] } },
      { data: '[DONE]' },
    ])
    const summary = createChatChunkEncoder(options).end({ at: 1, result: { summary: 'Short.' } })
    expect(events(summary)[0]).toMatchObject({ data: { choices: [{ delta: { content: 'Short.' } }] } })
  })

  it('have usage in each chunk when it was asked for', () => {
    const encoder = createChatChunkEncoder({ ...options, includeUsage: true })
    const usage = { promptTokens: 1, completionTokens: 2, cachedTokens: 1, reasoningTokens: 1 }
    const text = encoder.text('a') + encoder.end({ at: 1, usage })
    expect(events(text).map(({ data }) => (data as { usage?: unknown }).usage)).toEqual([
      null,
      null,
      {
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        prompt_tokens_details: { cached_tokens: 1 },
        completion_tokens_details: { reasoning_tokens: 1 },
      },
      undefined,
    ])
  })
})

describe('text chunks', () => {
  it('carry text instead of deltas', () => {
    const encoder = createTextChunkEncoder({ ...options, id: 'cmpl-1' })
    const text =
      encoder.text('A') + encoder.deltas([{ index: 1, text: 'B', finish_reason: 'stop' }]) + encoder.end({ at: 1 })
    expect(events(text)).toMatchObject([
      { data: { object: 'text_completion', choices: [{ index: 0, text: 'A', logprobs: null, finish_reason: null }] } },
      { data: { choices: [{ index: 1, text: 'B', finish_reason: 'stop' }] } },
      { data: { choices: [{ index: 0, text: '', finish_reason: 'stop' }] } },
      { data: '[DONE]' },
    ])
  })
})

describe('the events of a job', () => {
  const job = { id: 'job_1', operation: 'chat', model: 'm', createdAt: 1_000 } as const

  it('are one event for each entry', () => {
    const format = createJobEventFormat(job)
    expect(format.encode(entry('t', 'a\nb', 3))).toBe('id: 1-3\nevent: output.delta\ndata: {"text":"a\\nb"}\n\n')
    expect(format.encode(entry('x', '', 1, 2))).toBe('id: 2-1\nevent: output.reset\ndata: {}\n\n')
    expect(events(format.encode(entry('K', { at: 2_000 })))).toEqual([
      {
        id: '1-1',
        event: 'job.cancelled',
        data: {
          job_id: 'job_1',
          status: 'cancelled',
          at: 2,
          result: null,
          error: null,
          usage: null,
          finish_reason: null,
          deployment: null,
        },
      },
    ])
  })

  it('as chunks put the position on the last event of an entry, and places within it on the others', () => {
    const format = createOpenAiEventFormat(() => createChatChunkEncoder(options))
    const text = format.encode(
      entry('d', [
        { index: 0, delta: { content: 'x\n\ndata: y' } },
        { index: 1, delta: { content: 'b' } },
      ]),
    )
    expect(events(text).map(({ id }) => id)).toEqual(['1-1.1', '1-1'])
    expect(format.encode(entry('p', { stage: 'map', done: 1, total: 2 }))).toBe('')
    expect(events(format.encode(entry('F', { at: 1 }, 2)))).toMatchObject([
      { id: '1-2', data: { error: { code: 'internal_error' } } },
    ])
  })
})
