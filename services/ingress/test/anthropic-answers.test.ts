import Anthropic from '@anthropic-ai/sdk'
import type { ChoiceDelta, EndPayload } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toMessage } from '../src/anthropic/message.ts'
import { createMessageEncoder } from '../src/anthropic/message-encoder.ts'

const identity = { id: 'msg_1', model: 'chat' }
const end: EndPayload = { at: 1, finishReason: 'stop', usage: { promptTokens: 10, completionTokens: 5 } }

type Step = string | ChoiceDelta['delta'] | ChoiceDelta[]

/** The events of a stream whose log had these entries. */
function streamed(steps: readonly Step[], ended: EndPayload = end): string {
  const encoder = createMessageEncoder({ ...identity, inputTokens: 7 })
  let text = ''
  for (const step of steps) {
    if (typeof step === 'string') text += encoder.text(step)
    else if (Array.isArray(step)) text += encoder.deltas(step)
    else text += encoder.deltas([{ index: 0, ...(step === undefined ? {} : { delta: step }) }])
  }
  return text + encoder.end(ended)
}

function eventsOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n\n')
    .map((block) => {
      const match = /^event: (\w+)\ndata: (.*)$/.exec(block)
      const data = JSON.parse(match?.[2] ?? 'null') as Record<string, unknown>
      expect(data['type']).toBe(match?.[1])
      return data
    })
}

/** A stream in a few words: a golden sequence fits on a screen. */
function outline(text: string): string[] {
  return eventsOf(text).map((event) => {
    const { type, index } = event
    const block = event['content_block'] as Record<string, string> | undefined
    const delta = event['delta'] as Record<string, string> | undefined
    switch (type) {
      case 'content_block_start':
        return `+${String(index)} ${block?.['type']}${block?.['name'] === undefined ? '' : ` ${block['id']} ${block['name']}`}`
      case 'content_block_delta':
        return `${String(index)} ${delta?.['text'] ?? delta?.['thinking'] ?? delta?.['partial_json'] ?? `signed ${delta?.['signature']}`}`
      case 'content_block_stop':
        return `-${String(index)}`
      case 'message_delta':
        return `${delta?.['stop_reason']} ${delta?.['stop_sequence']}`
      default:
        return String(type)
    }
  })
}

const call = (index: number, more: object) => ({ tool_calls: [{ index, ...more }] })
const opens = (index: number, id: string, name: string, args = '') =>
  call(index, { id, type: 'function', function: { name, arguments: args } })
const argues = (index: number, args: string) => call(index, { function: { arguments: args } })

describe('a streamed message', () => {
  const around = (...blocks: string[]) => ['message_start', 'ping', ...blocks]
  const rows: readonly (readonly [what: string, steps: readonly Step[], expected: readonly string[]])[] = [
    ['of text', ['Hel', 'lo'], [...around('+0 text', '0 Hel', '0 lo', '-0'), 'end_turn null', 'message_stop']],
    [
      'of signed thoughts, then text',
      [
        { reasoning_content: 'hm' },
        { reasoning_content: ', yes' },
        { thinking_blocks: [{ type: 'thinking', thinking: 'hm, yes', signature: 'S' }] },
        'Yes.',
      ],
      [
        ...around('+0 thinking', '0 hm', '0 , yes', '0 signed S', '-0', '+1 text', '1 Yes.', '-1'),
        'end_turn null',
        'message_stop',
      ],
    ],
    [
      'of thoughts that nobody signed',
      [{ reasoning: 'hm' }, 'Yes.'],
      [...around('+0 thinking', '0 hm', '-0', '+1 text', '1 Yes.', '-1'), 'end_turn null', 'message_stop'],
    ],
    [
      'of hidden thoughts',
      [
        {
          thinking_blocks: [
            { type: 'redacted_thinking', data: 'xx' },
            { type: 'thinking', thinking: '', signature: 'S' },
          ],
        },
        'Y',
      ],
      [
        ...around('+0 redacted_thinking', '-0', '+1 thinking', '1 signed S', '-1', '+2 text', '2 Y', '-2'),
        'end_turn null',
        'message_stop',
      ],
    ],
    [
      'of text and two calls, one after the other',
      ['Look: ', opens(0, 'call_a', 'f'), argues(0, '{"a"'), argues(0, ':1}'), opens(1, 'call_b', 'g', '{}')],
      [
        ...around(
          '+0 text',
          '0 Look: ',
          '-0',
          '+1 tool_use call_a f',
          '1 {"a"',
          '1 :1}',
          '-1',
          '+2 tool_use call_b g',
          '2 {}',
          '-2',
        ),
        'tool_use null',
        'message_stop',
      ],
    ],
    [
      'of two calls whose arguments come mixed: one block after the other all the same',
      [opens(0, 'a', 'f', '{"x":'), opens(1, 'b', 'g', '{"y":'), argues(0, '1}'), argues(1, '2}')],
      [
        ...around('+0 tool_use a f', '0 {"x":', '0 1}', '-0', '+1 tool_use b g', '1 {"y":', '1 2}', '-1'),
        'tool_use null',
        'message_stop',
      ],
    ],
    [
      'of a call that was never finished, and another',
      [opens(0, 'a', 'f', '{"x":'), opens(1, 'b', 'g', '{}')],
      [...around('+0 tool_use a f', '0 {"x":', '-0', '+1 tool_use b g', '1 {}', '-1'), 'tool_use null', 'message_stop'],
    ],
    [
      'of calls without indexes and ids',
      [
        { tool_calls: [{ function: { name: 'f', arguments: '{' } }] },
        { tool_calls: [{ function: { arguments: '}' } }] },
      ],
      [...around('+0 tool_use toolu_1_0 f', '0 {', '0 }', '-0'), 'tool_use null', 'message_stop'],
    ],
    [
      'of a call whose name comes late',
      [call(0, { id: 'a', function: { arguments: '{"x"' } }), call(0, { function: { name: 'f', arguments: ':1}' } })],
      [...around('+0 tool_use a f', '0 {"x":1}', '-0'), 'tool_use null', 'message_stop'],
    ],
    ['of a refusal', [{ refusal: 'No.' }], [...around('+0 text', '0 No.', '-0'), 'refusal null', 'message_stop']],
    ['of nothing', [], [...around(), 'end_turn null', 'message_stop']],
    [
      'that met a stop sequence',
      ['a', [{ index: 0, finish_reason: 'stop', stop_reason: 'END' } as ChoiceDelta]],
      [...around('+0 text', '0 a', '-0'), 'stop_sequence END', 'message_stop'],
    ],
    [
      'that met the bound',
      ['a', [{ index: 0, finish_reason: 'length' }]],
      [...around('+0 text', '0 a', '-0'), 'max_tokens null', 'message_stop'],
    ],
    [
      'of one choice alone',
      ['a', [{ index: 1, delta: { content: 'other' } }]],
      [...around('+0 text', '0 a', '-0'), 'end_turn null', 'message_stop'],
    ],
  ]
  it.each(rows)('%s', (_what, steps, expected) => {
    expect(outline(streamed(steps))).toEqual(expected)
  })

  it('begins with an estimate and ends with the count, caches apart', () => {
    const usage = { promptTokens: 100, completionTokens: 5, cachedTokens: 60, cacheWriteTokens: 30, reasoningTokens: 2 }
    const events = eventsOf(streamed(['a'], { ...end, usage }))
    expect(events[0]).toEqual({
      type: 'message_start',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'chat',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        usage: { input_tokens: 7, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
      },
    })
    expect(events.at(-2)).toEqual({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null },
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: 30,
        cache_read_input_tokens: 60,
        output_tokens: 5,
        output_tokens_details: { thinking_tokens: 2 },
      },
    })
  })

  it('says nothing before there is something to show', () => {
    const encoder = createMessageEncoder({ ...identity, inputTokens: 0 })
    expect(encoder.text('')).toBe('')
    expect(
      encoder.deltas([
        { index: 0, delta: { role: 'assistant' } },
        { index: 0, finish_reason: 'stop' },
      ]),
    ).toBe('')
  })
})

describe('a whole message', () => {
  const message = (choice: object, ended = end) => toMessage(identity, { choices: [choice] }, ended)

  it('has its blocks in order, thoughts first', () => {
    const calls = [
      { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
      { id: null, type: 'function', function: { name: 'g', arguments: '' } },
    ]
    const blocks = [
      { type: 'thinking', thinking: 'one', signature: 's1' },
      { type: 'thinking', thinking: 'two', signature: 's2' },
    ]
    const said = {
      role: 'assistant',
      content: 'Look.',
      reasoning_content: 'onetwo',
      thinking_blocks: blocks,
      tool_calls: calls,
    }
    expect(message({ message: said, finish_reason: 'tool_calls' })).toEqual({
      ...identity,
      type: 'message',
      role: 'assistant',
      content: [
        ...blocks,
        { type: 'text', text: 'Look.' },
        { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } },
        { type: 'tool_use', id: 'toolu_1_1', name: 'g', input: {} },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      stop_details: null,
      usage: { input_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 5 },
    })
  })

  it('hands broken arguments on as they are, under a name of their own', () => {
    const calls = [{ id: 'a', function: { name: 'f', arguments: '{"x":' } }]
    expect(message({ message: { tool_calls: calls }, finish_reason: 'tool_calls' })).toMatchObject({
      content: [{ type: 'tool_use', input: { INVALID_JSON: '{"x":' } }],
    })
  })

  const stops: readonly (readonly [finish: object, expected: object])[] = [
    [{ finish_reason: 'stop' }, { stop_reason: 'end_turn' }],
    [
      { finish_reason: 'stop', stop_reason: 128_001 },
      { stop_reason: 'end_turn', stop_sequence: null },
    ],
    [
      { finish_reason: 'stop', stop_reason: '###' },
      { stop_reason: 'stop_sequence', stop_sequence: '###' },
    ],
    [{ finish_reason: 'length' }, { stop_reason: 'max_tokens' }],
    [{ finish_reason: 'content_filter' }, { stop_reason: 'refusal', stop_details: { type: 'refusal' } }],
    [{ finish_reason: null }, { stop_reason: 'end_turn' }],
  ]
  it.each(stops)('ends for the reason of %o', (finish, expected) => {
    expect(message({ message: { content: 'a' }, ...finish })).toMatchObject(expected)
  })

  it('takes the usage from the result where the end has none', () => {
    const result = { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }
    expect(toMessage(identity, result, { at: 1 })).toMatchObject({
      content: [],
      usage: { input_tokens: 3, output_tokens: 4 },
    })
  })
})

/** Pieces of a message in the order of its blocks: what every upstream sends, cut anywhere. */
const thought = fc.record({
  text: fc.string({ minLength: 1 }),
  signature: fc.option(fc.stringMatching(/^[a-z]{1,8}$/)),
})
const said = fc.string({ minLength: 1, unit: 'grapheme' })
const toolCall = fc.record({
  name: fc.stringMatching(/^[a-z]{1,6}$/),
  input: fc.dictionary(fc.string(), fc.jsonValue()),
})
const answer = fc.record({
  thought: fc.option(thought),
  text: fc.option(said),
  calls: fc.array(toolCall, { maxLength: 3 }),
  cuts: fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 20 }),
})

/** `text` in pieces of the lengths that `cuts` say, over and over. */
function* pieces(text: string, cuts: readonly number[]): Generator<string> {
  let start = 0
  for (let turn = 0; start < text.length; turn++) {
    const next = Math.min(text.length, start + 1 + (cuts[turn % cuts.length] ?? 0))
    yield text.slice(start, next)
    start = next
  }
}

describe("what Anthropic's SDK puts together from a stream", () => {
  const assembled = async (events: string) => {
    const body = new Response(events, { headers: { 'content-type': 'text/event-stream' } })
    const client = new Anthropic({ apiKey: 'x', maxRetries: 0, fetch: async () => body })
    return client.messages.stream({ model: 'chat', max_tokens: 1, messages: [] }).finalMessage()
  }

  it('is the whole message, wherever the stream was cut', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async ({ thought, text, calls, cuts }) => {
        const steps: Step[] = []
        const message: Record<string, unknown> = { role: 'assistant', content: text }
        if (thought !== null) {
          for (const piece of pieces(thought.text, cuts)) steps.push({ reasoning_content: piece })
          message['reasoning_content'] = thought.text
          if (thought.signature !== null) {
            const thinking_blocks = [{ type: 'thinking', thinking: thought.text, signature: thought.signature }]
            steps.push({ thinking_blocks })
            message['thinking_blocks'] = thinking_blocks
          }
        }
        if (text !== null) steps.push(...pieces(text, cuts))
        for (const [index, { name, input }] of calls.entries()) {
          steps.push(opens(index, `call_${index}`, name))
          for (const piece of pieces(JSON.stringify(input), cuts)) steps.push(argues(index, piece))
        }
        message['tool_calls'] = calls.map(({ name, input }, index) => ({
          id: `call_${index}`,
          type: 'function',
          function: { name, arguments: JSON.stringify(input) },
        }))
        const whole = toMessage(identity, { choices: [{ message, finish_reason: 'stop' }] }, end)
        const { parsed_output: _, ...final } = (await assembled(streamed(steps))) as unknown as Record<string, unknown>
        expect(JSON.parse(JSON.stringify(final))).toEqual(JSON.parse(JSON.stringify(whole)))
      }),
      { numRuns: 150 },
    )
  })
})
