import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CompletionState } from '../src/completion-state.ts'
import type { AnswerReader } from '../src/exchange.ts'
import { createCollector } from '../src/index.ts'
import { createLinesReader } from '../src/ollama.ts'
import { createEventReader } from '../src/openai.ts'
import { createTokenTally } from '../src/usage.ts'
import { call, createBench, failureOf, kinds } from './support.ts'

const roomy = { maxOutputBytes: 1_000_000 }
const meta = { id: 'id', created: 1, model: 'm' }

/** What no stream tells, or only the upstream's own object has. */
function comparable(result: Readonly<Record<string, unknown>>): unknown {
  const choices = (result['choices'] as Record<string, unknown>[]).map((choice) => {
    const logprobs = comparableLogprobs(choice['logprobs'])
    const { message } = choice
    if (typeof message !== 'object' || message === null) return { ...choice, logprobs }
    const { annotations: _, ...rest } = message as Record<string, unknown>
    const calls = rest['tool_calls'] as { id: string }[] | undefined
    return { ...choice, logprobs, message: calls === undefined ? rest : { ...rest, tool_calls: calls.map(withoutId) } }
  })
  return { object: result['object'], choices }
}

/** An empty answer has no chunk to say that it has no log probabilities; offsets count from a chunk's or the text's start. */
function comparableLogprobs(logprobs: unknown): unknown {
  const { text_offset: _, ...rest } = (logprobs ?? {}) as Record<string, unknown>
  return Object.values(rest).some((list) => Array.isArray(list) && list.length > 0) ? rest : null
}

function withoutId({ id: _, ...rest }: { id: string }): unknown {
  return rest
}

/** The vendors' packages refuse an answer in which any object has a member `__proto__`. */
const names = fc.string().filter((name) => name !== '__proto__')

const scripts = fc.oneof(
  fc.record({ tokens: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 80 }) }),
  fc.record({ text: fc.string({ maxLength: 40 }), reasoning: fc.string({ minLength: 1, maxLength: 40 }) }),
  fc.record({
    toolCalls: fc.array(
      fc.record({ name: fc.constantFrom('a', 'weather'), arguments: fc.dictionary(names, fc.string()) }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
)

describe.each(kinds)('what the collector makes of a stream of $name', (kind) => {
  let bench: Awaited<ReturnType<typeof createBench>>
  beforeAll(async () => {
    bench = await createBench({ recordBodies: false })
  })
  afterAll(() => bench.close())

  it('is the answer the upstream gives when it does not stream', async () => {
    const provider = bench.provider(kind)
    const tools = [{ type: 'function', function: { name: 'a', parameters: {} } }]
    const several =
      kind.abilities.choices && kind.abilities.logprobs
        ? fc.record({ n: fc.integer({ min: 1, max: 3 }), logprobs: fc.boolean() })
        : fc.constant({})
    await fc.assert(
      fc.asyncProperty(scripts, several, async (script, more) => {
        const clean = { text: null, tokens: null, reasoning: null, toolCalls: null }
        bench.simulator.script('sim', { ...clean, ...script })
        const request = { ...more, ...('toolCalls' in script ? { tools } : {}) }
        const collector = createCollector('chat', roomy)
        const outcome = await provider.chat(call(request), collector)
        const whole = await provider.chat(call(request, { stream: false }), createCollector('chat', roomy))
        const collected = collector.result({ ...meta, usage: outcome.usage })
        expect(comparable(collected)).toEqual(comparable(whole.result ?? {}))
        if (kind.abilities.streamUsage) expect(outcome.usage).toEqual(whole.usage)
        expect(outcome.finishReason).toBe(whole.finishReason)
      }),
      { numRuns: 60 },
    )
  })

  it('is the answer for text completions too, each prompt and choice by itself', async () => {
    const provider = bench.provider(kind)
    bench.simulator.script('sim', { tokens: 12, text: null, toolCalls: null, reasoning: null })
    const request = kind.abilities.choices ? { prompt: ['a', 'b'], n: 2, logprobs: 1 } : { prompt: 'a' }
    const collector = createCollector('text', roomy)
    await provider.text(call({ messages: undefined, ...request }), collector)
    const whole = await provider.text(call({ messages: undefined, ...request }, { stream: false }), collector)
    expect(comparable(collector.result(meta))).toEqual(comparable(whole.result ?? {}))
  })

  it('is bounded: beyond the bound the call ends with output_too_large and the upstream is stopped', async () => {
    bench.simulator.reset()
    bench.simulator.script('sim', { tokens: 5_000, interTokenMs: 1 })
    const collector = createCollector('chat', { maxOutputBytes: 100 })
    expect((await failureOf(bench.provider(kind).chat(call({}), collector))).code).toBe('output_too_large')
  })
})

describe('the collector', () => {
  it('joins texts, lists and arguments, and keeps the last of anything else', () => {
    const collector = createCollector('chat', roomy)
    collector.deltas([{ index: 0, delta: { reasoning: 'I ' } }])
    collector.deltas([{ index: 0, delta: { reasoning: 'think', annotations: [1] } }])
    collector.deltas([{ index: 0, delta: { annotations: [2], audio: { id: 'x' } } }])
    collector.deltas([{ index: 0, delta: { function_call: { name: 'f', arguments: '{"a"' } } }])
    collector.deltas([{ index: 0, delta: { function_call: { arguments: ':1}' } } }])
    collector.deltas([{ index: 0, finish_reason: 'function_call' }])
    expect(collector.result(meta)['choices']).toEqual([
      {
        index: 0,
        message: {
          role: 'assistant',
          content: '',
          refusal: null,
          reasoning: 'I think',
          annotations: [1, 2],
          audio: { id: 'x' },
          function_call: { name: 'f', arguments: '{"a":1}' },
        },
        logprobs: null,
        finish_reason: 'function_call',
      },
    ])
  })

  it('tells calls of tools apart when the upstream leaves their index out', () => {
    const collector = createCollector('chat', roomy)
    const add = (part: Record<string, unknown>) => collector.deltas([{ index: 0, delta: { tool_calls: [part] } }])
    add({ id: 'c1', function: { name: 'f', arguments: '{' } })
    add({ function: { arguments: '}' } })
    add({ id: 'c2', function: { name: 'g', arguments: '{}' } })
    const [choice] = collector.result(meta)['choices'] as { message: { tool_calls: unknown; content: unknown } }[]
    expect(choice?.message.content).toBeNull()
    expect(choice?.message.tool_calls).toEqual([
      { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } },
      { id: 'c2', type: 'function', function: { name: 'g', arguments: '{}' } },
    ])
  })

  it('gives null content beside a refusal, and an empty text for an empty answer', () => {
    const refusing = createCollector('chat', roomy)
    refusing.deltas([
      { index: 0, delta: { refusal: 'No' } },
      { index: 0, delta: { refusal: '.' }, finish_reason: 'stop' },
    ])
    expect(refusing.result(meta)).toMatchObject({ choices: [{ message: { content: null, refusal: 'No.' } }] })
    expect(createCollector('chat', roomy).result(meta)).toMatchObject({ choices: [{ message: { content: '' } }] })
  })

  it('states usage in the words of OpenAI', () => {
    const usage = { promptTokens: 5, completionTokens: 7, cachedTokens: 2, reasoningTokens: 3 }
    expect(createCollector('text', roomy).result({ ...meta, usage })['usage']).toEqual({
      prompt_tokens: 5,
      completion_tokens: 7,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 3 },
    })
  })
})

describe('a stream', () => {
  const pieces = ['Grüße ', '世', '界', '👩‍🚀', '!']
  const chunk = (choice: object) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}`
  const events = [
    chunk({ delta: { role: 'assistant', content: '' } }),
    ': a comment, with 🦜',
    ...pieces.map((content) => chunk({ delta: { content } })),
    chunk({ delta: { tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '{"ä":' } }] } }),
    chunk({ delta: { tool_calls: [{ index: 0, function: { arguments: '"ö"}' } }] } }),
    chunk({ delta: {}, finish_reason: 'tool_calls' }),
    'data: [DONE]',
  ]
  const lines = [
    ...pieces.map((content) => JSON.stringify({ message: { content }, done: false })),
    JSON.stringify({ message: { tool_calls: [{ id: 'c', function: { name: 'f', arguments: { ä: 'ö' } } }] } }),
    JSON.stringify({ message: { content: '' }, done: true, done_reason: 'stop', eval_count: 3, prompt_eval_count: 4 }),
  ]
  const wires: [string, string, (state: CompletionState) => AnswerReader][] = [
    ['events', `${events.join('\n\n')}\n\n`, (state) => createEventReader('chat', state, [])],
    ['events with CRLF', `${events.join('\r\n\r\n')}\r\n\r\n`, (state) => createEventReader('chat', state, [])],
    ['events without a last empty line', events.join('\n\n'), (state) => createEventReader('chat', state, [])],
    ['lines', `${lines.join('\n')}\n`, (state) => createLinesReader(state, [])],
    ['lines with CRLF and without a last one', lines.join('\r\n'), (state) => createLinesReader(state, [])],
  ]

  function read(pieces: readonly Buffer[], createReader: (state: CompletionState) => AnswerReader): unknown {
    const collector = createCollector('chat', roomy)
    const reader = createReader(new CompletionState(collector, createTokenTally(), 1))
    for (const piece of pieces) reader.push(piece)
    reader.end()
    return collector.result(meta)
  }

  it.each(wires)('of %s reads the same however its bytes are split', (_, text, createReader) => {
    const bytes = Buffer.from(text)
    const expected = read([bytes], createReader)
    expect(expected).toMatchObject({
      choices: [{ message: { content: pieces.join('') }, finish_reason: 'tool_calls' }],
    })
    const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 30 })
    fc.assert(
      fc.property(cuts, (places) => {
        const ordered = [0, ...places.sort((a, b) => a - b), bytes.length]
        const split = ordered.slice(1).map((end, index) => bytes.subarray(ordered[index], end))
        expect(read(split, createReader)).toEqual(expected)
      }),
    )
    expect(
      read(
        [...bytes].map((byte) => Buffer.of(byte)),
        createReader,
      ),
    ).toEqual(expected)
  })

  it.each(wires)('of %s that is noise ends in an InferqError, never in another', (_, text, createReader) => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 0, max: text.length }).map((end) => Buffer.from(text.slice(0, end))),
      fc.json().map((json) => Buffer.from(`data: ${json}\n\n`)),
      fc.json().map((json) => Buffer.from(`${json}\n`)),
      fc.json().map((json) => Buffer.from(`data: {"choices":[{"delta":${json}}]}\n\n`)),
      fc.json().map((json) => Buffer.from(`{"message":${json}}\n`)),
    )
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 4 }), (parts) => {
        try {
          read(parts, createReader)
        } catch (error) {
          expect((error as Error).name).toBe('InferqError')
        }
      }),
      { numRuns: 300 },
    )
  })
})
