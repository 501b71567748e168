import { createConnection } from 'node:net'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, masterKey } from './support/bench.ts'
import { call, dataOf, readSse } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ options: { commitAfterMs: 300, beatMs: 300, slowClientMs: 500 } })
})
afterAll(() => bench.close())

const chat = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const usage = { promptTokens: 3, completionTokens: 2 }
const result = {
  id: 'upstream-1',
  object: 'chat.completion',
  created: 1,
  model: 'up',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
}

const post = (json: unknown, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  call(`${bench.url}/v1/chat/completions`, { json, headers, ...(signal ? { signal } : {}) })
const stream = (more: object = {}) => post({ ...chat, stream: true, ...more }).then(readSse)

describe('an answer in one piece', () => {
  it('carries our id and the public name, and tells what is known about its job', async () => {
    const answer = post(chat, { 'x-request-id': 'req-7' })
    const spec = await bench.nextExchange()
    expect(spec).toMatchObject({
      mode: 'interactive',
      stream: false,
      keepResult: false,
      owner: 'master',
      request: chat,
    })
    expect(await bench.queue.position({ jobId: spec.id, hop: 0, class: 'gpu' })).toBe(1)
    await (await bench.begin(spec.id)).end('completed', { result, usage })
    const response = await answer
    expect(response.status).toBe(200)
    const id = `chatcmpl-${spec.id.slice(4)}`
    expect(await response.json()).toEqual({ ...result, id, model: 'chat', created: Math.floor(spec.createdAt / 1000) })
    expect(response.headers.has('transfer-encoding')).toBe(false)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': expect.stringMatching(/^\d+$/),
      'x-request-id': 'req-7',
      'x-inferq-job-id': spec.id,
      'x-inferq-model': 'chat',
      'x-inferq-class': 'gpu',
      'x-inferq-deployment': 'gpu-1',
      'x-inferq-attempts': '1',
      'x-inferq-queued-ms': expect.stringMatching(/^\d+$/),
      'x-inferq-overhead-ms': expect.stringMatching(/^\d+$/),
      'x-litellm-call-id': spec.id,
      'x-litellm-model-id': 'gpu-1',
      'x-content-type-options': 'nosniff',
    })
    await until(async () => (await bench.redis.exists(bench.server.keys.log(spec.id))) === 0, {
      what: 'a forgotten log',
    })
    const line = await until(() => bench.lines.find((one) => one['requestId'] === 'req-7'))
    expect(line).toMatchObject({
      event: 'request-end',
      jobId: spec.id,
      route: '/v1/chat/completions',
      status: 200,
      model: 'chat',
      totalTokens: 5,
      success: true,
    })
  })

  it.each([
    '/chat/completions',
    '/openai/deployments/chat/chat/completions?api-version=1',
    '/engines/chat/chat/completions',
  ])('is given at %s too', async (path) => {
    const answer = call(bench.url + path, { json: path.startsWith('/chat') ? chat : { messages: chat.messages } })
    const spec = await bench.nextExchange()
    expect(spec.model).toBe('chat')
    await (await bench.begin(spec.id)).end('completed', { result })
    expect((await answer).status).toBe(200)
  })

  it('is given for text completions and embeddings', async () => {
    const text = call(`${bench.url}/v1/completions`, { json: { model: 'chat', prompt: 'Hi' } })
    let spec = await bench.nextExchange()
    expect(spec.operation).toBe('text')
    await (await bench.begin(spec.id)).end('completed', { result: { choices: [{ index: 0, text: 'Hello' }] } })
    expect(await (await text).json()).toMatchObject({ id: `cmpl-${spec.id.slice(4)}`, object: 'text_completion' })

    const embeddings = call(`${bench.url}/v1/embeddings`, { json: { model: 'team/embed', input: ['a', 'b'] } })
    spec = await bench.nextExchange()
    expect(spec).toMatchObject({ type: 'embedding', operation: 'embeddings', stream: false })
    const data = [{ object: 'embedding', index: 0, embedding: [0.5] }]
    await (await bench.begin(spec.id)).end('completed', { result: { data, model: 'up', usage: {} } })
    expect(await (await embeddings).json()).toEqual({ object: 'list', data, model: 'team/embed', usage: {} })
  })

  it('is the error of a job that failed, with its status', async () => {
    const answer = post(chat)
    const { id } = await bench.nextExchange()
    const error = { code: 'upstream_overloaded', message: 'Too busy.', retryAfterSeconds: 7 } as const
    await (await bench.begin(id)).end('failed', { error })
    const response = await answer
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(await response.json()).toEqual({
      error: { message: 'Too busy.', type: 'server_error', param: null, code: 'upstream_overloaded' },
    })
  })

  it('survives an attempt that was lost', async () => {
    const answer = post(chat)
    const { id } = await bench.nextExchange()
    await bench.begin(id, 'w1')
    await (await bench.begin(id, 'w2')).end('completed', { result })
    const response = await answer
    expect(response.headers.get('x-inferq-attempts')).toBe('2')
    expect(response.headers.get('x-litellm-attempted-retries')).toBe('1')
  })
})

describe('a stream', () => {
  it('gives each token as it comes, in chunks of one answer', async () => {
    const reading = stream({ stream_options: { include_usage: true } })
    const spec = await bench.nextExchange()
    const attempt = await bench.begin(spec.id)
    await attempt.say('He')
    const reader = await reading
    expect(reader.response.status).toBe(200)
    expect(Object.fromEntries(reader.response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-inferq-job-id': spec.id,
      'x-inferq-attempts': '1',
    })
    const first = dataOf(await reader.nextEvent())
    expect(first).toEqual({
      id: `chatcmpl-${spec.id.slice(4)}`,
      object: 'chat.completion.chunk',
      created: Math.floor(spec.createdAt / 1000),
      model: 'chat',
      choices: [{ index: 0, delta: { role: 'assistant', content: 'He' }, finish_reason: null }],
      usage: null,
    })
    await attempt.say('llo "\n\u2028😀')
    expect(dataOf(await reader.nextEvent())['choices']).toEqual([
      { index: 0, delta: { content: 'llo "\n\u2028😀' }, finish_reason: null },
    ])
    await attempt.end('completed', { finishReason: 'length', usage })
    const rest = await reader.rest()
    expect(rest.map(({ data }) => data).at(-1)).toBe('[DONE]')
    expect(rest.slice(0, -1).map(dataOf)).toMatchObject([
      { choices: [{ index: 0, delta: {}, finish_reason: 'length' }], usage: null },
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } },
    ])
  })

  it('passes tool calls and finish reasons on as they came', async () => {
    const reading = stream()
    const { id } = await bench.nextExchange()
    const attempt = await bench.begin(id)
    const call = { index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '{' } }
    attempt.writer.deltas([{ index: 0, delta: { tool_calls: [call] } }])
    attempt.writer.deltas([{ index: 0, finish_reason: 'tool_calls' }])
    await attempt.end('completed')
    const events = await (await reading).rest()
    expect(events.slice(0, -1).map((event) => dataOf(event)['choices'])).toEqual([
      [{ index: 0, delta: { role: 'assistant', tool_calls: [call] }, finish_reason: null }],
      [{ index: 0, delta: {}, finish_reason: 'tool_calls' }],
    ])
  })

  it('waits with the place in line, and never goes silent', async () => {
    const reader = await stream()
    const { id } = await bench.nextExchange()
    expect(await reader.next()).toEqual({ comment: 'queued position=1' })
    expect(await reader.next()).toEqual({ comment: 'queued position=1' })
    const attempt = await bench.begin(id)
    expect(await reader.next()).toEqual({ comment: 'heartbeat' })
    await attempt.say('Hello')
    expect(dataOf(await reader.nextEvent())['choices']).toMatchObject([{ delta: { content: 'Hello' } }])
    await attempt.end('completed')
    expect((await reader.rest()).at(-1)?.data).toBe('[DONE]')
  })

  it('that fails before anything was sent is a real status', async () => {
    const answer = post({ ...chat, stream: true })
    const { id } = await bench.nextExchange()
    await (await bench.begin(id)).end('failed', { error: { code: 'context_length_exceeded', message: 'Too long.' } })
    const response = await answer
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: 'context_length_exceeded' } })
  })

  it('that fails later ends with the error, and without [DONE]', async () => {
    const reading = stream()
    const { id } = await bench.nextExchange()
    const attempt = await bench.begin(id)
    await attempt.say('He')
    await attempt.end('failed', { error: { code: 'upstream_interrupted', message: 'Cut off.' } })
    const events = await (await reading).rest()
    expect(dataOf(events.at(-1) ?? null)).toEqual({
      error: { message: 'Cut off.', type: 'server_error', param: null, code: 'upstream_interrupted' },
    })
    expect(events).toHaveLength(2)
  })

  it('is never spliced: output that starts over ends it, and cancels the job', async () => {
    const reading = stream()
    const { id } = await bench.nextExchange()
    await (await bench.begin(id, 'w1')).say('One two')
    const reader = await reading
    await reader.nextEvent()
    await (await bench.begin(id, 'w2')).say('Three')
    const rest = await reader.rest()
    expect(rest).toHaveLength(1)
    expect(dataOf(rest[0] ?? null)).toMatchObject({ error: { code: 'stream_interrupted' } })
    await until(async () => (await bench.tokenLog.record(id))?.cancelRequested, { what: 'a cancelled job' })
  })

  it('starts with the attempt that works when an earlier one showed nothing', async () => {
    const reading = stream()
    const { id } = await bench.nextExchange()
    const first = await bench.begin(id, 'w1')
    await first.release('retry')
    const second = await bench.begin(id, 'w2')
    await second.say('Hello')
    await second.end('completed')
    const reader = await reading
    expect(reader.response.headers.get('x-inferq-attempts')).toBe('2')
    expect((await reader.rest()).at(-1)?.data).toBe('[DONE]')
  })
})

describe('a client that reads nothing', () => {
  it('is not written to, is cut off after a while, and its job is cancelled', async () => {
    const { port } = new URL(bench.url)
    const socket = createConnection({ host: '127.0.0.1', port: Number(port) })
    socket.pause()
    const body = JSON.stringify({ ...chat, stream: true })
    const head = `host: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n\r\n${body}`)
    const { id } = await bench.nextExchange()
    const attempt = await bench.begin(id)
    const block = 'x'.repeat(64 * 1024)
    for (let i = 0; i < 150; i++) await attempt.say(block)
    await until(() => bench.core.exchanges.size === 0, { what: 'the client to be cut off' })
    await until(async () => (await bench.tokenLog.record(id))?.cancelRequested, { what: 'a cancelled job' })
    socket.destroy()
  })
})

describe('a client that goes away', () => {
  it('cancels a job that waits: it leaves the queue', async () => {
    const abort = new AbortController()
    const answer = post(chat, {}, abort.signal).catch((error: Error) => error.name)
    const { id } = await bench.nextExchange()
    abort.abort()
    expect(await answer).toBe('AbortError')
    await until(async () => (await bench.queue.position({ jobId: id, hop: 0, class: 'gpu' })) === null)
    expect((await bench.tokenLog.read(id, null))?.at(-1)?.kind).toBe('K')
    const line = await until(() => bench.lines.find((one) => one['jobId'] === id && one['event'] === 'request-end'))
    expect(line).toMatchObject({ status: 499, success: false, errorCode: 'client_closed' })
  })

  it('cancels a job that runs: its worker is told', async () => {
    const cancellations: string[] = []
    const subscriber = await bench.server.connect('subscriber')
    subscriber.on('message', (_channel, jobId) => cancellations.push(jobId))
    await subscriber.subscribe(bench.server.keys.cancellations())
    const reading = stream()
    const { id } = await bench.nextExchange()
    await (await bench.begin(id)).say('Hello')
    const reader = await reading
    await reader.nextEvent()
    await reader.cancel()
    await until(() => cancellations.includes(id))
    expect((await bench.tokenLog.record(id))?.cancelRequested).toBe(true)
  })

  it('lets the job go on when it has asked for that', async () => {
    const abort = new AbortController()
    const answer = post(chat, { 'x-inferq-on-disconnect': 'finish' }, abort.signal).catch(() => null)
    const spec = await bench.nextExchange()
    expect(spec.keepResult).toBe(true)
    abort.abort()
    await answer
    await until(() => bench.core.exchanges.size === 0)
    await bench.core.background.idle()
    expect((await bench.tokenLog.record(spec.id))?.cancelRequested).toBe(false)
  })
})
