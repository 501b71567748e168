import type { ChoiceDelta, OutcomeMessage } from '@inferq/contracts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lastWholeEntry, parseChunkPosition } from '../src/dialects/event-format.ts'
import { type Bench, createBench } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call, dataOf, readSse, type SseEvent } from './support/http.ts'

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store })
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

const read = async (jobId: string, after?: string): Promise<SseEvent[]> => {
  const response = await call(`${bench.url}/v1/jobs/${jobId}/events?format=openai`, {
    headers: after === undefined ? {} : { 'last-event-id': after },
  })
  return response.status === 204 ? [] : readSse(response).rest()
}
const call0 = (argument: string): ChoiceDelta => ({
  index: 0,
  delta: { tool_calls: [{ index: 0, function: { arguments: argument } }] },
})

/** Whoever breaks off after any event, and reads on, has what everybody has. */
async function expectExact(jobId: string): Promise<SseEvent[]> {
  const whole = await read(jobId)
  const ids = whole.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const [place, { id }] of whole.entries()) {
    expect([id, await read(jobId, id)]).toEqual([id, whole.slice(place + 1)])
  }
  return whole
}

describe('chunks read on after any of them', () => {
  it('are the rest, once each, also within an entry of several', async () => {
    const { id } = await bench.submit({
      request: { model: 'chat', messages: [], n: 2, stream_options: { include_usage: true } },
    })
    const attempt = await bench.begin(id)
    await attempt.say('Hello')
    attempt.writer.deltas([
      { index: 1, delta: { content: 'Hi' } },
      { index: 0, delta: { content: 'there' } },
      call0('{'),
    ])
    attempt.writer.deltas([call0('}'), { index: 0, finish_reason: 'tool_calls' }])
    await attempt.writer.flush()
    await attempt.end('completed', { finishReason: 'stop', usage: { promptTokens: 1, completionTokens: 2 } })
    const whole = await expectExact(id)
    const choices = whole.slice(0, -1).flatMap((event) => dataOf(event)['choices'] as ChoiceDelta[])
    // Each choice has one role and one end.
    for (const index of [0, 1]) {
      const of = choices.filter((choice) => choice.index === index)
      expect(of.filter(({ delta }) => delta?.['role'] !== undefined)).toHaveLength(1)
      expect(of.filter((choice) => (choice.finish_reason ?? null) !== null)).toHaveLength(1)
    }
    expect(whole.at(-1)?.data).toBe('[DONE]')
  })

  it('of a text completion too', async () => {
    const { id } = await bench.submit({ operation: 'text', request: { model: 'chat', prompt: ['a', 'b'] } })
    const attempt = await bench.begin(id)
    attempt.writer.deltas([
      { index: 0, text: 'x' },
      { index: 1, text: 'y', finish_reason: 'stop' },
    ])
    await attempt.writer.flush()
    await attempt.end('completed', { finishReason: 'length' })
    await expectExact(id)
  })

  it('of what followed output that is void', async () => {
    const { id } = await bench.submit()
    const first = await bench.begin(id, 'w1')
    first.writer.deltas([
      { index: 0, delta: { content: 'void' } },
      { index: 1, delta: { content: 'void' }, finish_reason: 'stop' },
    ])
    await first.writer.flush()
    const second = await bench.begin(id, 'w2')
    await second.say('One', 'two')
    await second.end('completed')
    const whole = await expectExact(id)
    expect(dataOf(whole[0] ?? null)['choices']).toMatchObject([{ delta: { role: 'assistant', content: 'One' } }])
    // Who has seen what is void is told.
    const told = await read(id, '1-1.1')
    expect(told.map((event) => event.id ?? dataOf(event))).toEqual([
      '1-1',
      expect.objectContaining({ error: expect.objectContaining({ code: 'stream_interrupted' }) }),
    ])
  })

  it('of an answer that another attempt went on with, from its beginning', async () => {
    const { id } = await bench.submit()
    await (await bench.begin(id, 'w1')).say('One ')
    const begun = await bench.tokenLog.begin(id, { hop: 0, class: 'gpu', worker: 'w2', maxTries: 3 })
    if (begun.kind !== 'begun') throw new Error(begun.kind)
    const writer = bench.tokenLog.writer(id, begun.attempt)
    writer.serve({ model: 'chat', deployment: 'gpu-2', continued: true })
    writer.text('two')
    await writer.flush()
    const at = Date.now()
    const record = { attempt: 2, hop: 0, class: 'gpu', worker: 'w2', startedAt: at }
    await bench.tokenLog.finish(begun.record, { ...record, endedAt: at, outcome: 'completed' }, 'completed', { at })
    const whole = await expectExact(id)
    const text = whole.slice(0, -1).map((event) => {
      const [choice] = dataOf(event)['choices'] as ChoiceDelta[]
      return choice?.delta?.['content'] ?? ''
    })
    expect(text.join('')).toBe('One two')
  })

  it('are not guessed once the log is gone: whoever has a part is sent to the result', async () => {
    const json = { type: 'completion', request: { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] } }
    const { id } = (await (await call(`${bench.url}/v1/jobs`, { json })).json()) as { id: string }
    const attempt = await bench.begin(id)
    await attempt.say('One ', 'two')
    const message = { role: 'assistant', content: 'One two' }
    await attempt.end('completed', { result: { choices: [{ index: 0, message, finish_reason: 'stop' }] } })
    const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
    await database.store.commitOutcomes(entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage))
    await bench.redis.del(bench.server.keys.job(id), bench.server.keys.log(id))
    expect((await read(id, '1-1')).map(dataOf)).toMatchObject([{ error: { code: 'stream_interrupted' } }])
    const whole = await expectExact(id)
    expect(dataOf(whole[0] ?? null)['choices']).toMatchObject([{ delta: message }])
    expect(await read(id, '0-1')).toEqual(whole)
  })

  it('are not asked for by a place that is none', async () => {
    const { id } = await bench.submit()
    for (const after of ['1-2.0', '1-2.', '.1', '1.2', '1-2.3.4', 'x']) {
      const response = await call(`${bench.url}/v1/jobs/${id}/events?format=openai&after=${after}`)
      expect([after, response.status]).toEqual([after, 400])
      await response.text()
    }
    // The native events are one for each entry.
    expect((await call(`${bench.url}/v1/jobs/${id}/events?after=1-2.1`)).status).toBe(400)
  })
})

describe('a place among chunks', () => {
  const number = fc.integer({ min: 0, max: 999_999_999 })

  it('says which entry is read whole', () => {
    fc.assert(
      fc.property(
        number,
        number,
        fc.option(fc.integer({ min: 1, max: 999 }), { nil: undefined }),
        (attempt, seq, events) => {
          const parsed = parseChunkPosition(`${attempt}-${seq}${events === undefined ? '' : `.${events}`}`)
          expect(parsed).toEqual({ attempt, seq, ...(events === undefined ? {} : { events }) })
          if (parsed === null) return
          const whole = lastWholeEntry(parsed)
          if (events === undefined || attempt + seq === 0) expect(whole).toEqual({ attempt, seq })
          else if (seq > 0) expect(whole).toEqual({ attempt, seq: seq - 1 })
          else expect(whole).toEqual({ attempt: attempt - 1, seq: 999_999_999 })
        },
      ),
    )
    fc.assert(fc.property(fc.string(), (text) => parseChunkPosition(text) === null || /^\d+-\d+(\.\d+)?$/.test(text)))
  })
})
