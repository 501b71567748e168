import { type ChoiceDelta, type EndPayload, type LogEntry, type ResponseEcho, responseEcho } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventSequence, type ResponseEvent } from '../src/responses/event-sequence.ts'
import { createResponseFormat } from '../src/responses/response-format.ts'

const echo = responseEcho({ model: 'chat', input: 'Hi' })
const options = { jobId: 'job_1', model: 'chat', createdAt: 1_000_000, echo }
const end: EndPayload = { at: 2_000_000, finishReason: 'stop' }

const tool = (index: number, fields: object): ChoiceDelta => ({
  index: 0,
  delta: { tool_calls: [{ index, ...fields }] },
})
const delta = fc.oneof(
  fc.string({ minLength: 1 }).map((content): ChoiceDelta => ({ index: 0, delta: { content } })),
  fc.string({ minLength: 1 }).map((reasoning_content): ChoiceDelta => ({ index: 0, delta: { reasoning_content } })),
  fc.string({ minLength: 1 }).map((refusal): ChoiceDelta => ({ index: 0, delta: { refusal } })),
  fc
    .tuple(fc.nat(2), fc.string())
    .map(([index, text]) => tool(index, { id: `call_${index}`, function: { name: `f${index}`, arguments: text } })),
)

/** Neighbouring pieces of one kind joined, as a log may have gathered them. */
function coalesce(deltas: readonly ChoiceDelta[], cuts: readonly boolean[]): ChoiceDelta[] {
  const joined: ChoiceDelta[] = []
  for (const [place, one] of deltas.entries()) {
    const last = joined.at(-1)?.delta
    const [field] = Object.keys(one.delta ?? {})
    const text = one.delta?.[field ?? '']
    const before = last?.[field ?? '']
    if (cuts[place % cuts.length] && typeof text === 'string' && typeof before === 'string')
      joined[joined.length - 1] = { index: 0, delta: { [field ?? '']: before + text } }
    else joined.push(one)
  }
  return joined
}

function eventsOf(deltas: readonly ChoiceDelta[], ended: EndPayload = end): ResponseEvent[] {
  const sequence = new EventSequence(options)
  return [...deltas.flatMap((one) => sequence.deltas([one])), ...sequence.end('completed', ended)]
}

function output(events: readonly ResponseEvent[]): readonly Item[] {
  const { response } = events.at(-1) as unknown as { response: { output: readonly Item[] } }
  return response.output
}

interface Item {
  readonly id: string
  readonly type: string
  readonly content?: readonly { readonly type: string }[]
}

/** A message has its text before its refusal in the end, whatever came first. */
function inOrder(item: Item | undefined): object | undefined {
  if (item?.content === undefined) return item
  return { ...item, content: [...item.content].sort((a, b) => (a.type < b.type ? -1 : 1)) }
}

const textOf = (events: readonly ResponseEvent[], type: string) =>
  events.flatMap((event) => (event.type === type ? [event['delta']] : [])).join('')

describe('the events of a response', () => {
  it('have numbers without gaps, and one output, however the same deltas are gathered', () => {
    fc.assert(
      fc.property(fc.array(delta), fc.array(fc.boolean(), { minLength: 1 }), (deltas, cuts) => {
        const apart = eventsOf(deltas)
        const together = eventsOf(coalesce(deltas, cuts))
        for (const events of [apart, together]) {
          expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, place) => place))
          expect(events.filter(({ type }) => /\.(completed|incomplete|failed)$/.test(type))).toHaveLength(1)
        }
        expect(output(together)).toEqual(output(apart))
        for (const type of ['output_text', 'refusal', 'function_call_arguments']) {
          expect(textOf(together, `response.${type}.delta`)).toBe(textOf(apart, `response.${type}.delta`))
        }
      }),
    )
  })

  it('open and close every item once, in between everything about it, with what it is in the end', () => {
    fc.assert(
      fc.property(fc.array(delta), (deltas) => {
        const events = eventsOf(deltas)
        const added = events.filter(({ type }) => type === 'response.output_item.added')
        const done = events.filter(({ type }) => type === 'response.output_item.done')
        expect(added.map((event) => event['output_index'])).toEqual(added.map((_, place) => place))
        const ids = (list: readonly ResponseEvent[]) => list.map((event) => (event['item'] as { id: string }).id).sort()
        expect(ids(done)).toEqual(ids(added))
        for (const event of events) {
          if (event['item_id'] === undefined) continue
          const isOf = (other: ResponseEvent) => (other['item'] as { id: string }).id === event['item_id']
          expect(added.find(isOf)?.sequence_number).toBeLessThan(event.sequence_number)
          expect(done.find(isOf)?.sequence_number).toBeGreaterThan(event.sequence_number)
        }
        const final = new Map(output(events).map((item) => [item.id, item]))
        for (const { item } of done as unknown as readonly { item: Item }[]) {
          if (item.type !== 'reasoning') expect(inOrder(item)).toEqual(inOrder(final.get(item.id)))
        }
      }),
    )
  })

  it('show what only the result has', () => {
    const message = {
      content: 'Hello',
      reasoning_content: 'Hmm.',
      tool_calls: [{ id: 'call_1', function: { name: 'f', arguments: '{}' } }],
    }
    const events = eventsOf([], { ...end, result: { choices: [{ index: 0, message }] } })
    expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
      ...['created', 'in_progress', 'output_item.added', 'content_part.added', 'reasoning_text.delta'],
      ...['reasoning_text.done', 'content_part.done', 'output_item.done'],
      ...['output_item.added', 'content_part.added', 'output_text.delta'],
      ...['output_item.added', 'function_call_arguments.delta', 'output_text.done', 'content_part.done'],
      ...['output_item.done', 'function_call_arguments.done', 'output_item.done', 'completed'],
    ])
    expect(output(eventsOf([]))).toMatchObject([{ type: 'message', content: [{ type: 'output_text', text: '' }] }])
  })

  it('wait with a call until its name is known, and name one that has no id', () => {
    const events = eventsOf([
      tool(0, { function: { arguments: '{"a"' } }),
      tool(0, { function: { name: 'f', arguments: ':1' } }),
      tool(0, { function: { arguments: '}' } }),
    ])
    const about = events.filter(({ type }) => /function_call|output_item.added/.test(type))
    expect(about).toMatchObject([
      { item: { type: 'function_call', call_id: 'call_1_0', name: 'f', arguments: '' } },
      { delta: '{"a":1' },
      { delta: '}' },
      { arguments: '{"a":1}' },
    ])
  })

  it('carry citations, and the proof of thoughts and calls', () => {
    const cited = { type: 'url_citation', url_citation: { url: 'https://x', title: 'X' } }
    const blocks = [{ type: 'thinking', thinking: 'Hmm.', signature: 'abc' }]
    const events = eventsOf([
      { index: 0, delta: { reasoning_content: 'Hmm.' } },
      { index: 0, delta: { thinking_blocks: blocks } },
      { index: 0, delta: { content: 'See X.' } },
      { index: 0, delta: { annotations: [cited] } },
      tool(0, { id: 'a', function: { name: 'f', arguments: '{}' }, extra_content: { google: {} } }),
    ])
    const annotation = { type: 'url_citation', start_index: 0, end_index: 0, url: 'https://x', title: 'X' }
    expect(events.find(({ type }) => type === 'response.output_text.annotation.added')).toMatchObject({ annotation })
    const message = { content: 'See X.', reasoning_content: 'Hmm.', thinking_blocks: blocks, annotations: [cited] }
    const call = { id: 'a', function: { name: 'f', arguments: '{}' }, extra_content: { google: {} } }
    const result = { choices: [{ index: 0, message: { ...message, tool_calls: [call] } }] }
    expect(output(events)).toEqual(output(eventsOf([], { ...end, result })))
    expect(output(events)).toMatchObject([
      { type: 'reasoning', encrypted_content: expect.stringMatching(/^inferq1\./) },
      { type: 'message', content: [{ annotations: [annotation] }] },
      { type: 'function_call', extra_content: { google: {} } },
    ])
  })

  it('carry log probabilities', () => {
    const token = { token: 'Hi', logprob: -0.1, bytes: [72, 105], top_logprobs: [] }
    const events = eventsOf([{ index: 0, delta: { content: 'Hi' }, logprobs: { content: [token] } }])
    expect(events.find(({ type }) => type === 'response.output_text.delta')).toMatchObject({ logprobs: [token] })
    expect(events.find(({ type }) => type === 'response.output_text.done')).toMatchObject({ logprobs: [token] })
  })
})

describe('a log read as events', () => {
  const entry = (attempt: number, seq: number, kind: LogEntry['kind'], payload: unknown = ''): LogEntry => ({
    ...{ attempt, seq, kind },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })
  const texts = fc.array(fc.string({ minLength: 1 }), { maxLength: 5 })
  const numbersIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, number]) => Number(number))

  function read(entries: readonly LogEntry[], startingAfter: number, ofEcho: ResponseEcho = echo): string {
    const lastVoid = entries.findLast(({ kind }) => kind === 'x') ?? null
    const format = createResponseFormat({ ...options, echo: ofEcho, startingAfter, voidUntil: lastVoid })
    let text = ''
    for (const one of entries) if (!format.isOver) text += format.encode(one)
    return text
  }

  it('that is lost and begins again goes on, unless output of the lost one was told', () => {
    const again = [
      entry(1_000_000, 1, 'q', {}),
      entry(1_000_000, 2, 'x'),
      entry(1_000_001, 0, 's', {}),
      entry(1_000_001, 1, 't', 'Hi'),
    ]
    const first = 1_000_000
    // Whoever was told nothing but that it runs reads on, also in the middle of the new output.
    for (const startingAfter of [-1, 0, 1, first, first + 1]) {
      const numbers = [0, 1, first, first + 1, first + 2].filter((number) => number > startingAfter)
      expect(numbersIn(read(again, startingAfter))).toEqual(numbers)
    }
    expect(read(again, 2)).toMatch(/^event: error\ndata: .*"sequence_number":2/)
    expect(read(again, 40)).toMatch(/^event: error\ndata: .*"sequence_number":40/)
    const twice = again.map((one) => ({ ...one, attempt: one.attempt + 1_000_000 }))
    expect(numbersIn(read(twice, 1))).toEqual([2 * first, 2 * first + 1, 2 * first + 2])
    expect(read(twice, first + 2)).toMatch(/^event: error/)
    // Read on without a break.
    const begun = [entry(0, 1, 'q', {}), entry(1, 0, 's', {})]
    expect(numbersIn(read([...begun, ...again], -1))).toEqual([0, 1, first, first + 1, first + 2])
    const live = createResponseFormat({ ...options, echo, startingAfter: -1, voidUntil: null })
    const shown = [...begun, entry(1, 1, 't', 'Hel'), ...again]
      .map((one) => (live.isOver ? '' : live.encode(one)))
      .join('')
    expect(shown).toMatch(/event: error\ndata: .*"sequence_number":4/)
    expect(shown).not.toContain(`${first}`)
  })

  it('gives the same rest after every number, or an error to who has seen what is void', () => {
    fc.assert(
      fc.property(texts, texts, texts, (first, second, third) => {
        const said = (attempt: number, list: readonly string[], start: number) =>
          list.map((text, place) => entry(attempt, start + place, 't', text))
        const entries = [
          entry(0, 1, 'q', {}),
          entry(1, 0, 's', {}),
          ...said(1, first, 1),
          ...(first.length > 0 ? [entry(2, 0, 's', {}), entry(2, 1, 'x')] : [entry(2, 0, 's', {})]),
          ...said(2, second, 2),
          ...(second.length > 0 ? [entry(3, 0, 's', {}), entry(3, 1, 'x')] : [entry(3, 0, 's', {})]),
          ...said(3, third, 2),
          entry(3, 50, 'C', end),
        ]
        const all = read(entries, -1)
        const told = new Set(numbersIn(all))
        const highest = Math.max(...told)
        expect([...told].sort((a, b) => a - b)).toEqual([...told])
        for (let after = 0; after <= highest; after++) {
          const rest = read(entries, after)
          if (told.has(after)) expect(all.endsWith(rest)).toBe(true)
          else expect(rest).toMatch(/^event: error\n/)
        }
      }),
    )
  })
})
