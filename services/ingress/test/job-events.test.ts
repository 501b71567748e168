import { createConnection } from 'node:net'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, masterKey, otherKey } from './support/bench.ts'
import { call, dataOf, readSse, type SseEvent, type SseReader } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ options: { beatMs: 150, slowClientMs: 1_500 } })
})
afterAll(() => bench.close())

const read = async (
  jobId: string,
  query = '',
  headers: Record<string, string> = {},
  url = bench.url,
): Promise<SseReader> => readSse(await call(`${url}/v1/jobs/${jobId}/events${query}`, { headers }))
const names = (events: readonly SseEvent[]) => events.map(({ id, event }) => `${id} ${event}`)
const textOf = (events: readonly (SseEvent | null)[]) =>
  events.map((event) => (event?.event === 'output.delta' ? (dataOf(event)['text'] ?? '') : '')).join('')

describe('the events of a job', () => {
  it('tell its whole story, live and again afterwards', async () => {
    const { id } = await bench.submit()
    const reader = await read(id)
    expect(reader.response.status).toBe(200)
    expect(Object.fromEntries(reader.response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-inferq-job-id': id,
    })
    const queued = await reader.nextEvent()
    expect(queued).toMatchObject({ id: '0-1', event: 'job.queued' })
    expect(dataOf(queued)).toEqual({ job_id: id, class: 'gpu', at: expect.any(Number) })
    const attempt = await bench.begin(id)
    expect(dataOf(await reader.nextEvent())).toEqual({ attempt: 1, worker: 'w1', at: expect.any(Number) })
    await attempt.say('Hello', ' world')
    expect(await reader.nextEvent()).toEqual({ id: '1-1', event: 'output.delta', data: '{"text":"Hello"}' })
    attempt.writer.progress({ stage: 'map', done: 1, total: 2 })
    attempt.writer.deltas([{ index: 0, finish_reason: 'stop' }])
    await attempt.end('completed', {
      result: { id: 'up', choices: [] },
      usage: { promptTokens: 3, completionTokens: 2 },
      finishReason: 'stop',
    })
    const rest = await reader.rest()
    expect(names(rest)).toEqual(['1-2 output.delta', '1-3 job.progress', '1-4 output.delta', '1-5 job.completed'])
    expect(dataOf(rest.at(-1) ?? null)).toMatchObject({
      job_id: id,
      status: 'completed',
      result: { id: `chatcmpl-${id.slice(4)}`, model: 'chat' },
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      error: null,
      deployment: 'gpu-1',
    })
    const again = await (await read(id)).rest()
    expect(names(again)).toEqual(['0-1 job.queued', '1-0 job.started', '1-1 output.delta', ...names(rest)])
  })

  it('go on after any position, and say when there is nothing left', async () => {
    const { id } = await bench.submit()
    const attempt = await bench.begin(id)
    await attempt.say('a', 'b', 'c')
    await attempt.end('completed')
    const whole = await (await read(id)).rest()
    for (const [place, { id: position = '' }] of whole.entries()) {
      const byHeader = await read(id, '', { 'last-event-id': position })
      if (place === whole.length - 1) expect(byHeader.response.status).toBe(204)
      else expect(await byHeader.rest()).toEqual(whole.slice(place + 1))
      const byQuery = await read(id, `?after=${position}`)
      expect(await byQuery.rest()).toEqual(whole.slice(place + 1))
    }
  })

  it('are read on from another ingress, while they are written, with nothing missing and nothing twice', async () => {
    const { id } = await bench.submit()
    const other = await bench.anotherIngress()
    const attempt = await bench.begin(id)
    const words = Array.from({ length: 60 }, (_, i) => `w${i} `)
    const writing = attempt.say(...words).then(() => attempt.end('completed'))
    const seen: SseEvent[] = []
    for (let turn = 0; seen.at(-1)?.event !== 'job.completed'; turn++) {
      const url = turn % 2 === 0 ? bench.url : other.url
      const last = seen.at(-1)?.id
      const reader = await read(id, '', last === undefined ? {} : { 'last-event-id': last }, url)
      for (let i = 0; i < 7; i++) {
        const event = await reader.nextEvent()
        if (event === null) break
        seen.push(event)
      }
      await reader.cancel()
    }
    await writing
    expect(textOf(seen)).toBe(words.join(''))
    expect(new Set(seen.map((event) => event.id)).size).toBe(seen.length)
  })

  it('tell of a requeue, and void what a lost worker has shown', async () => {
    const { id } = await bench.submit()
    const reader = await read(id)
    const first = await bench.begin(id, 'w1')
    await first.release('requeue', 50)
    await (await bench.begin(id, 'w2')).say('half')
    const third = await bench.begin(id, 'w3')
    await third.say('whole')
    await third.end('completed')
    const events = await reader.rest()
    expect(names(events)).toEqual([
      '0-1 job.queued',
      '1-0 job.started',
      expect.stringMatching(/^1-\d+ job\.requeued$/),
      '2-0 job.started',
      '2-1 output.delta',
      '3-0 job.started',
      '3-1 output.reset',
      '3-2 output.delta',
      '3-3 job.completed',
    ])
    expect(dataOf(events[2] ?? null)).toMatchObject({ move: 'requeue', delay_ms: 50, class: 'gpu' })
  })

  it.each(['failed', 'cancelled', 'expired'] as const)('end with job.%s, once', async (status) => {
    const { id } = await bench.submit()
    const error = { code: 'upstream_error', message: 'No.' } as const
    await (await bench.begin(id)).end(status, { error })
    const events = await (await read(id)).rest()
    expect(events.filter(({ event }) => event?.startsWith(`job.${status}`))).toHaveLength(1)
    expect(dataOf(events.at(-1) ?? null)).toMatchObject({ status, error: { code: 'upstream_error' } })
  })

  it('keep a waiting reader informed, and a silent stream alive', async () => {
    const first = await bench.submit({ tier: 'priority' })
    const second = await bench.submit({ tier: 'priority' })
    const reader = await read(second.id)
    const comments = async (): Promise<string> => {
      for (;;) {
        const event = await reader.next()
        if (event?.comment !== undefined) return event.comment
      }
    }
    expect(await comments()).toBe('queued position=2')
    const ahead = await bench.begin(first.id)
    await until(async () => (await comments()) === 'queued position=1')
    await ahead.end('completed')
    const attempt = await bench.begin(second.id)
    await until(async () => (await comments()) === 'heartbeat')
    await attempt.end('completed')
    expect((await reader.rest()).at(-1)?.event).toBe('job.completed')
  })

  it('are nobody else’s, and not those of a job that never was', async () => {
    const { id } = await bench.submit()
    expect((await call(`${bench.url}/v1/jobs/${id}/events`, { key: otherKey })).status).toBe(404)
    expect((await call(`${bench.url}/v1/jobs/no:such*job/events`)).status).toBe(404)
  })
})

describe('the events as OpenAI chunks', () => {
  it('carry the positions of the log, and end with [DONE]', async () => {
    const { id } = await bench.submit()
    const attempt = await bench.begin(id)
    await attempt.say('Hello', ' world')
    await attempt.end('completed')
    const events = await (await read(id, '?format=openai')).rest()
    expect(events.map((event) => event.id)).toEqual(['1-1', '1-2', '1-3.1', '1-3'])
    expect(dataOf(events[0] ?? null)['choices']).toMatchObject([{ delta: { role: 'assistant', content: 'Hello' } }])
    expect(dataOf(events[2] ?? null)['choices']).toMatchObject([{ finish_reason: 'stop' }])
    expect(events.at(-1)?.data).toBe('[DONE]')
    const tail = await (await read(id, '?format=openai&after=1-1')).rest()
    expect(tail).toEqual(events.slice(1))
  })

  it('start with the latest attempt, and end with an error when that starts over', async () => {
    const { id } = await bench.submit()
    await (await bench.begin(id, 'w1')).say('half')
    const second = await bench.begin(id, 'w2')
    await second.say('One')
    const reader = await read(id, '?format=openai')
    expect(dataOf(await reader.nextEvent())['choices']).toMatchObject([{ delta: { content: 'One' } }])
    await bench.begin(id, 'w3')
    const rest = await reader.rest()
    expect(rest.map(dataOf)).toMatchObject([{ error: { code: 'stream_interrupted' } }])
    expect(rest[0]?.id).toBeUndefined()
  })
})

describe('a reader that never reads', () => {
  it('costs little, is cut off, and holds nobody up', async () => {
    const { id } = await bench.submit()
    const attempt = await bench.begin(id)
    const { port } = new URL(bench.url)
    const socket = createConnection({ host: '127.0.0.1', port: Number(port) })
    socket.pause()
    socket.write(`GET /v1/jobs/${id}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\n\r\n`)
    await until(() => bench.core.readers.size === 1)
    const good = (await read(id)).rest()
    const block = 'x'.repeat(64 * 1024)
    const blocks = 200
    let biggest = 0
    for (let i = 0; i < blocks; i++) {
      await attempt.say(block)
      biggest = Math.max(biggest, await bufferedBytes())
    }
    await attempt.end('completed')
    expect(textOf(await good)).toHaveLength(blocks * block.length)
    expect(biggest).toBeLessThan(2_000_000)
    await until(() => bench.core.readers.size === 0, { what: 'the slow reader to be cut off' })
    socket.destroy()
  })

  /** What the ingress holds for its clients beyond the kernel's buffers. */
  async function bufferedBytes(): Promise<number> {
    return [...bench.core.readers].reduce((sum, reader) => sum + reader.bufferedBytes, 0)
  }
})

describe('a stopping ingress', () => {
  it('sends readers of events away without a terminal event, to read on elsewhere', async () => {
    const other = await bench.anotherIngress()
    const { id } = await bench.submit()
    const attempt = await bench.begin(id)
    await attempt.say('a')
    const reader = await read(id, '', {}, other.url)
    const first = [await reader.nextEvent(), await reader.nextEvent(), await reader.nextEvent()]
    await other.stop()
    let comment: string | undefined
    for (let event = await reader.next(); event !== null; event = await reader.next()) {
      expect(event.data).toBeUndefined()
      comment = event.comment ?? comment
    }
    expect(comment).toBe('server stopping')
    await attempt.say('b')
    await attempt.end('completed')
    const rest = await (await read(id, '', { 'last-event-id': first.at(-1)?.id ?? '' })).rest()
    expect(textOf([...first, ...rest])).toBe('ab')
  })
})
