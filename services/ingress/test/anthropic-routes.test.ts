import Anthropic from '@anthropic-ai/sdk'
import type { ErrorCode, OutcomeMessage } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, masterKey, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call, dataOf, readSse } from './support/http.ts'

let bench: Bench
let database: TestDatabase
let anthropic: Anthropic

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, options: { commitAfterMs: 60, beatMs: 50 } })
  anthropic = clientOf(masterKey)
})
afterAll(async () => {
  await bench.close()
  await database.stop()
})

const clientOf = (apiKey: string) => new Anthropic({ baseURL: bench.url, apiKey, maxRetries: 0 })
const hello = { model: 'chat', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hi' }] }
const usage = { promptTokens: 12, completionTokens: 3 }
const post = (json: unknown, headers: Record<string, string> = {}) =>
  call(`${bench.url}/v1/messages`, { json, headers })
const result = (content: string) => ({
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
})

/** Plays the worker for the next client that waits. */
const nextAttempt = async () => bench.begin((await bench.nextExchange()).id)
const raised = (promise: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> =>
  Promise.resolve(promise).then(
    () => {
      throw new Error('nothing was raised')
    },
    (error: unknown) => error as InstanceType<typeof Anthropic.APIError>,
  )

describe("Anthropic's SDK, unchanged", () => {
  it('gets a message, and with it the facts of its job', async () => {
    const asking = anthropic.messages.create({ ...hello, system: 'Be brief.' }).withResponse()
    const attempt = await nextAttempt()
    expect(attempt.spec.request).toEqual({
      model: 'chat',
      max_tokens: 100,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
    })
    await attempt.end('completed', { result: result('Hello'), usage })
    const { data, response, request_id: requestId } = await asking
    expect(data).toMatchObject({
      id: attempt.spec.id.replace('job_', 'msg_'),
      content: [{ type: 'text', text: 'Hello' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 12, output_tokens: 3 },
    })
    expect(response.headers.get('x-inferq-job-id')).toBe(attempt.spec.id)
    expect(response.headers.get('x-inferq-deployment')).toBe('gpu-1')
    expect(requestId).toBe(response.headers.get('x-request-id'))
  })

  it('gets a stream as it comes', async () => {
    const stream = anthropic.messages.stream(hello)
    const seen: string[] = []
    stream.on('text', (text) => seen.push(text))
    const attempt = await nextAttempt()
    expect(attempt.spec.stream).toBe(true)
    await attempt.say('Hel')
    await until(() => seen.length === 1)
    await attempt.say('lo')
    await attempt.end('completed', { finishReason: 'stop', usage })
    expect(await stream.finalText()).toBe('Hello')
    expect((await stream.finalMessage()).usage).toMatchObject({ input_tokens: 12, output_tokens: 3 })
    expect(seen).toEqual(['Hel', 'lo'])
  })

  it('runs a loop of tools, thoughts and all', async () => {
    const tools: Anthropic.Tool[] = [{ name: 'weather', input_schema: { type: 'object', properties: {} } }]
    const messages: Anthropic.MessageParam[] = [...hello.messages]
    const first = anthropic.messages.stream({ ...hello, messages, tools, thinking: { type: 'adaptive' } })
    const asked = await nextAttempt()
    asked.writer.deltas([{ index: 0, delta: { reasoning_content: 'Ask.' } }])
    const signed = { type: 'thinking', thinking: 'Ask.', signature: 'S' }
    asked.writer.deltas([{ index: 0, delta: { thinking_blocks: [signed] } }])
    const tool = { index: 0, id: 'call_1', type: 'function' }
    asked.writer.deltas([
      { index: 0, delta: { tool_calls: [{ ...tool, function: { name: 'weather', arguments: '{"c' } }] } },
    ])
    asked.writer.deltas([{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: 'ity":"Ulm"}' } }] } }])
    asked.writer.deltas([{ index: 0, finish_reason: 'tool_calls' }])
    await asked.end('completed', { finishReason: 'tool_calls', usage })
    const turn = await first.finalMessage()
    expect(turn).toMatchObject({
      stop_reason: 'tool_use',
      content: [signed, { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Ulm' } }],
    })

    messages.push({ role: 'assistant', content: turn.content })
    messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'Rain.' }] })
    const second = anthropic.messages.create({ ...hello, messages, tools })
    const answered = await nextAttempt()
    expect(answered.spec.request['messages']).toEqual([
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'Ask.',
        thinking_blocks: [signed],
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Ulm"}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'Rain.' },
    ])
    await answered.end('completed', { result: result('It rains.'), usage })
    expect((await second).content).toEqual([{ type: 'text', text: 'It rains.' }])
  })

  it('counts tokens without a job', async () => {
    const { messages, model } = hello
    const few = await anthropic.messages.countTokens({ model, messages })
    const tools: Anthropic.Tool[] = [
      { name: 'f', description: 'It does this and that.', input_schema: { type: 'object' } },
    ]
    const more = await anthropic.messages.countTokens({ model, messages, tools, system: 'Be brief, and be kind.' })
    expect(few.input_tokens).toBeGreaterThan(0)
    expect(more.input_tokens).toBeGreaterThan(few.input_tokens + 10)
    expect(bench.core.exchanges.size).toBe(0)
    expect(await raised(anthropic.messages.countTokens({ model: 'nope', messages }))).toBeInstanceOf(
      Anthropic.NotFoundError,
    )
  })

  it('lists the models, page by page, and finds one', async () => {
    const list = await anthropic.models.list({ limit: 1 })
    expect(list).toMatchObject({ has_more: true, first_id: 'chat', last_id: 'chat' })
    const ids: string[] = []
    for await (const model of anthropic.models.list({ limit: 1 })) ids.push(model.id)
    expect(ids).toEqual(['chat', 'team/embed'])
    const back = await anthropic.models.list({ before_id: 'team/embed' })
    expect([back.data.map(({ id }) => id), back.has_more]).toEqual([['chat'], false])
    const one = await anthropic.models.retrieve('chat')
    expect(one).toMatchObject({ type: 'model', id: 'chat', display_name: 'chat' })
    expect(Number.isNaN(Date.parse(one.created_at))).toBe(false)
    expect(await raised(anthropic.models.retrieve('nope'))).toMatchObject({ type: 'not_found_error', status: 404 })
    expect(await raised(anthropic.models.list({ limit: 0 }))).toMatchObject({ type: 'invalid_request_error' })
    expect(await raised(anthropic.models.list({ after_id: 'nope' }))).toMatchObject({ status: 400 })
    // Who does not say so is a client of OpenAI's.
    expect(await (await call(`${bench.url}/v1/models`)).json()).toMatchObject({ object: 'list' })
  })

  const failures: readonly (readonly [
    code: ErrorCode,
    status: number,
    type: string,
    raises: new (...args: never[]) => Error,
  ])[] = [
    ['context_length_exceeded', 400, 'invalid_request_error', Anthropic.BadRequestError],
    ['rate_limit_exceeded', 429, 'rate_limit_error', Anthropic.RateLimitError],
    ['upstream_error', 502, 'api_error', Anthropic.InternalServerError],
    ['upstream_overloaded', 529, 'overloaded_error', Anthropic.OverloadedError],
    ['no_deployment', 503, 'overloaded_error', Anthropic.ServiceUnavailableError],
    ['upstream_timeout', 504, 'timeout_error', Anthropic.GatewayTimeoutError],
  ]
  it.each(failures)('raises its own class for %s', async (code, status, type, raises) => {
    const failing = raised(anthropic.messages.create(hello))
    await (await nextAttempt()).end('failed', { error: { code, message: 'Broken.' } })
    const error = await failing
    expect(error).toBeInstanceOf(raises)
    expect(error).toMatchObject({ status, type, errorCode: code, apiMessage: 'Broken.' })
    expect(error.requestID).toMatch(/^req_/)
  })

  it('raises what comes before the first token as a status, and later an error of the stream', async () => {
    const early = raised(anthropic.messages.stream(hello).finalMessage())
    await (await nextAttempt()).end('failed', { error: { code: 'upstream_error', message: 'Early.' } })
    expect(await early).toMatchObject({ status: 502 })

    const stream = anthropic.messages.stream(hello)
    const late = raised(stream.finalMessage())
    const attempt = await nextAttempt()
    await attempt.say('Hel')
    await attempt.end('failed', { error: { code: 'upstream_overloaded', message: 'Late.' } })
    const error = await late
    expect(error).toBeInstanceOf(Anthropic.APIError)
    expect(error).toMatchObject({ type: 'overloaded_error', errorCode: 'upstream_overloaded' })
  })

  it('is told of a wrong key, in its own envelope', async () => {
    expect(await raised(clientOf('sk-wrong').messages.create(hello))).toBeInstanceOf(Anthropic.AuthenticationError)
    const none = await call(`${bench.url}/v1/messages`, { json: hello, key: null })
    expect(none.status).toBe(401)
    expect(await none.json()).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error', details: { error_code: 'invalid_api_key' } },
      request_id: none.headers.get('request-id'),
    })
    const bearer = new Anthropic({ baseURL: bench.url, apiKey: null, authToken: masterKey, maxRetries: 0 })
    expect(
      (await bearer.messages.countTokens({ model: 'chat', messages: hello.messages })).input_tokens,
    ).toBeGreaterThan(0)
  })
})

describe('a message is a job like any other', () => {
  it('tells who waits its place, and then goes on with the events', async () => {
    const reader = readSse(await post({ ...hello, stream: true }))
    expect(reader.response.headers.get('content-type')).toContain('text/event-stream')
    expect(await reader.next()).toMatchObject({ comment: expect.stringMatching(/^queued/) })
    const attempt = await nextAttempt()
    await attempt.say('Hi')
    expect(dataOf(await reader.nextEvent())).toMatchObject({ type: 'message_start' })
    await attempt.end('completed', { finishReason: 'stop', usage })
    expect((await reader.rest()).at(-1)).toMatchObject({ event: 'message_stop' })
  })

  it('is cancelled when its client goes away', async () => {
    const controller = new AbortController()
    const asking = anthropic.messages.create(hello, { signal: controller.signal })
    const spec = await bench.nextExchange()
    controller.abort()
    await expect(asking).rejects.toBeInstanceOf(Anthropic.APIUserAbortError)
    await until(
      async () =>
        (await bench.tokenLog.record(spec.id))?.status === 'cancelled' ||
        (await bench.tokenLog.record(spec.id)) === null,
    )
  })

  it('ends with an error, never spliced, when output that was shown starts over', async () => {
    const stream = anthropic.messages.stream(hello)
    const failing = raised(stream.finalMessage())
    const attempt = await nextAttempt()
    await attempt.say('Hel')
    await until(() => stream.currentMessage !== undefined)
    await attempt.release('retry')
    await bench.begin(attempt.spec.id, 'w2')
    expect(await failing).toMatchObject({ errorCode: 'stream_interrupted', type: 'api_error' })
  })

  it('is accepted as an asynchronous one where the client prefers that', async () => {
    const response = await post(hello, { prefer: 'respond-async' })
    expect(response.status).toBe(202)
    const view = (await response.json()) as { id: string; object: string }
    expect(view.object).toBe('job')
    expect(response.headers.get('location')).toContain(view.id)
    // Somebody else's.
    expect((await call(`${bench.url}/v1/jobs/${view.id}`, { key: otherKey })).status).toBe(404)
  })

  it('is a message for who waits long enough for it', async () => {
    const newest = async () => (await bench.core.store.listJobs('master', { limit: 1 })).jobs[0]?.id
    const before = await newest()
    const asking = post(hello, { prefer: 'respond-async, wait=20' })
    const jobId = await until(async () => {
      const id = await newest()
      return id === before ? undefined : id
    })
    await until(() => bench.tokenLog.record(jobId))
    const attempt = await bench.begin(jobId)
    await attempt.end('completed', { result: result('In time.'), usage })
    const response = await asking
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ type: 'message', content: [{ text: 'In time.' }] })
  })

  it('is made once for one key, streamed and whole', async () => {
    const headers = { 'idempotency-key': `k-${Date.now()}` }
    const asking = anthropic.messages.create(hello, { headers })
    const attempt = await nextAttempt()
    const joining = post(hello, headers)
    await until(() => bench.core.exchanges.size === 2)
    await attempt.end('completed', { result: result('Once.'), usage })
    expect((await asking).content).toEqual([{ type: 'text', text: 'Once.' }])
    const joined = await joining
    expect([joined.status, joined.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(await joined.json()).toMatchObject({
      id: attempt.spec.id.replace('job_', 'msg_'),
      content: [{ text: 'Once.' }],
    })

    // Long after, when only the record of truth knows it.
    const ends = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
    await database.store.commitOutcomes(ends.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage))
    await bench.redis.del(bench.server.keys.job(attempt.spec.id), bench.server.keys.log(attempt.spec.id))
    const replayed = await anthropic.messages.create(hello, { headers })
    expect(replayed).toMatchObject({ content: [{ type: 'text', text: 'Once.' }], usage: { input_tokens: 12 } })
    const other = await post({ ...hello, max_tokens: 5 }, headers)
    expect(other.status).toBe(422)
    expect(await other.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
  })
})

describe('where nothing is', () => {
  it('answers in the envelope of who asks', async () => {
    const missing = await call(`${bench.url}/v1/messages/batches`, { json: {} })
    expect(missing.status).toBe(404)
    expect(await missing.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
    const wrong = await call(`${bench.url}/v1/messages`)
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
    expect(await wrong.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
    expect(await (await call(`${bench.url}/v1/message`)).json()).toMatchObject({ error: { code: 'route_not_found' } })
  })
})
