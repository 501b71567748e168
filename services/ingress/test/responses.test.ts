import type { OutcomeMessage } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Attempt, type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { type CallOptions, call, dataOf, readSse, type SseEvent } from './support/http.ts'

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, options: { orphanRetryMs: 30 } })
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

interface ResponseView {
  readonly id: string
  readonly status: string
  readonly [field: string]: unknown
}

const asked = { model: 'chat', input: 'Hi' }
const usage = { promptTokens: 3, completionTokens: 2, cachedTokens: 1, reasoningTokens: 1 }
const url = (path = '') => `${bench.url}/v1/responses${path}`
const post = (json: object, options: CallOptions = {}) => call(url(), { json, ...options })
const view = async (response: Response | Promise<Response>) => (await (await response).json()) as ResponseView
const get = (id: string) => view(call(url(`/${id}`)))
const jobOf = (id: string) => id.replace(/^resp_/, 'job_')
const whole = (content: string | null, message: object = {}) => ({
  choices: [{ index: 0, message: { role: 'assistant', content, ...message }, finish_reason: 'stop' }],
})

async function background(body: object = {}): Promise<string> {
  const response = await post({ ...asked, background: true, ...body })
  expect(response.status).toBe(200)
  return (await view(response)).id
}

/** Answers the job of a response as a worker would: in deltas, and with the result. */
async function complete(attempt: Attempt, text: string, result: object = whole(text)): Promise<void> {
  if (text !== '') await attempt.say(...(text.match(/\S+\s*/g) ?? []))
  await attempt.end('completed', { finishReason: 'stop', usage, result })
}

async function answered(body: object = {}, text = 'Hello', result?: object): Promise<string> {
  const id = await background(body)
  await complete(await bench.begin(jobOf(id)), text, result)
  return id
}

/** What the controller does with the outcome stream. */
async function record(): Promise<void> {
  const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
  await database.store.commitOutcomes(entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage))
}

async function forget(id: string): Promise<void> {
  await bench.redis.del(bench.server.keys.job(jobOf(id)), bench.server.keys.log(jobOf(id)))
}

/** The id of the newest stored response's job. */
async function newestJob(): Promise<string> {
  return (await database.store.listJobs('master', { limit: 1 })).jobs[0]?.id ?? ''
}

const replay = async (id: string, query = '') => (await readEvents(call(url(`/${id}?stream=true${query}`)))).map(dataOf)
const readEvents = async (response: Promise<Response>): Promise<SseEvent[]> => readSse(await response).rest()
const numbers = (events: readonly Record<string, unknown>[]) => events.map((event) => event['sequence_number'])
const types = (events: readonly Record<string, unknown>[]) => events.map((event) => event['type'])
const errorOf = async (response: Promise<Response>) => {
  const answer = await response
  const { error } = (await answer.json()) as { error: { code: string; param: string | null; message: string } }
  return { status: answer.status, code: error.code, param: error.param }
}

describe('a response in the background', () => {
  it('is answered at once, is in the record of truth, and completes by itself', async () => {
    const response = await post({ ...asked, background: true, instructions: 'Be brief.', metadata: { a: 'b' } })
    expect(response.status).toBe(200)
    const queued = await view(response)
    expect(queued).toMatchObject({
      id: expect.stringMatching(/^resp_[0-9a-z]{26}$/),
      object: 'response',
      status: 'queued',
      background: true,
      store: true,
      instructions: 'Be brief.',
      metadata: { a: 'b' },
      model: 'chat',
      output: [],
      usage: null,
      error: null,
      previous_response_id: null,
      text: { format: { type: 'text' } },
      tool_choice: 'auto',
      tools: [],
      parallel_tool_calls: true,
    })
    expect(response.headers.get('x-inferq-job-id')).toBe(jobOf(queued.id))
    expect(await database.store.getJob(jobOf(queued.id), 'master')).toMatchObject({ kind: 'found' })
    const attempt = await bench.begin(jobOf(queued.id))
    expect(attempt.spec).toMatchObject({
      operation: 'chat',
      mode: 'async',
      metadata: { a: 'b' },
      request: {
        model: 'chat',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
        ],
      },
    })
    expect(await get(queued.id)).toMatchObject({ status: 'in_progress', output: [] })
    await complete(attempt, 'Hello there')
    const ending = queued.id.slice(5)
    const completed = {
      ...queued,
      status: 'completed',
      completed_at: expect.any(Number),
      output: [
        {
          id: `msg_${ending}_0`,
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hello there', annotations: [], logprobs: [] }],
        },
      ],
      usage: {
        input_tokens: 3,
        input_tokens_details: { cached_tokens: 1 },
        output_tokens: 2,
        output_tokens_details: { reasoning_tokens: 1 },
        total_tokens: 5,
      },
    }
    expect(await get(queued.id)).toEqual(completed)
    await record()
    await forget(queued.id)
    expect(await get(queued.id)).toEqual(completed)
  })

  it('keeps its log for an hour after its end', async () => {
    const id = await answered()
    const leftMs = await bench.redis.pttl(bench.server.keys.log(jobOf(id)))
    expect(leftMs).toBeGreaterThan(3_500_000)
  })

  it('is cancelled, as often as one likes', async () => {
    const id = await background()
    const cancelled = await view(call(url(`/${id}/cancel`), { method: 'POST' }))
    expect(cancelled).toMatchObject({ id, status: 'cancelled', error: null, output: [] })
    expect(await view(call(url(`/${id}/cancel`), { method: 'POST' }))).toEqual(cancelled)

    const running = await background()
    const attempt = await bench.begin(jobOf(running))
    const answer = view(call(url(`/${running}/cancel`), { method: 'POST' }))
    await until(async () => (await bench.tokenLog.record(jobOf(running)))?.cancelRequested)
    await attempt.end('cancelled')
    expect(await answer).toMatchObject({ status: 'cancelled' })
  })

  it('that fails says why', async () => {
    const id = await background()
    const attempt = await bench.begin(jobOf(id))
    const error = {
      code: 'upstream_invalid_request',
      message: "Bad 'messages[0].content'.",
      param: 'messages[0].content',
    } as const
    await attempt.end('failed', { error })
    const message = "Bad 'input'."
    expect(await get(id)).toMatchObject({ status: 'failed', error: { code: error.code, message, param: 'input' } })
  })

  it('that is cut short is incomplete, and says why', async () => {
    for (const [finishReason, reason] of [
      ['length', 'max_output_tokens'],
      ['content_filter', 'content_filter'],
    ] as const) {
      const id = await background()
      const attempt = await bench.begin(jobOf(id))
      await attempt.end('completed', { finishReason, result: whole('Hel') })
      expect(await get(id)).toMatchObject({
        status: 'incomplete',
        incomplete_details: { reason },
        output: [{ status: 'incomplete' }],
      })
      expect((await replay(id)).at(-1)).toMatchObject({ type: 'response.incomplete' })
    }
  })
})

describe('a response that somebody waits for', () => {
  it('is answered when it has ended, with the headers of its job', async () => {
    const answer = post(asked)
    const spec = await bench.nextExchange()
    await complete(await bench.begin(spec.id), 'Hello')
    const response = await answer
    expect(response.status).toBe(200)
    expect(response.headers.get('x-inferq-deployment')).toBe('gpu-1')
    const body = await view(response)
    expect(body).toMatchObject({ status: 'completed', background: false })
    expect(await get(body.id)).toEqual(body)
  })

  it('goes on without its client', async () => {
    const gone = new AbortController()
    const answer = post({ ...asked, input: 'I will not wait' }, { signal: gone.signal }).catch(() => 'gone')
    const spec = await bench.nextExchange()
    const attempt = await bench.begin(spec.id)
    gone.abort()
    expect(await answer).toBe('gone')
    await until(() => bench.core.exchanges.size === 0)
    await complete(attempt, 'Hello')
    expect(await get(spec.id.replace('job_', 'resp_'))).toMatchObject({ status: 'completed' })
  })

  it('fails with a real status, and is kept as failed', async () => {
    const answer = errorOf(post(asked))
    const spec = await bench.nextExchange()
    const attempt = await bench.begin(spec.id)
    await attempt.end('failed', { error: { code: 'upstream_error', message: 'Broken.' } })
    expect(await answer).toEqual({ status: 502, code: 'upstream_error', param: null })
    expect(await get(spec.id.replace('job_', 'resp_'))).toMatchObject({
      status: 'failed',
      error: { message: 'Broken.' },
    })
  })

  it('that is not stored lives for its connection', async () => {
    const answer = post({ ...asked, store: false })
    const spec = await bench.nextExchange()
    expect(spec).toMatchObject({ mode: 'interactive', keepResult: false })
    await (await bench.begin(spec.id)).end('completed', { finishReason: 'stop', result: whole('Hello') })
    const body = await view(answer)
    expect(body).toMatchObject({ status: 'completed', store: false })
    expect((await call(url(`/${body.id}`))).status).toBe(404)

    const gone = new AbortController()
    const left = post({ ...asked, store: false }, { signal: gone.signal }).catch(() => 'gone')
    const second = await bench.nextExchange()
    await bench.begin(second.id)
    gone.abort()
    await left
    await until(async () => (await bench.tokenLog.record(second.id))?.cancelRequested)
  })

  it('is a job where `Prefer: respond-async` asks for one', async () => {
    const response = await post(asked, { headers: { prefer: 'respond-async' } })
    expect(response.status).toBe(202)
    const { id } = await view(response)
    expect(id).toMatch(/^job_/)
    expect(response.headers.get('location')).toBe(`${bench.url}/v1/jobs/${id}`)
    expect(await get(id.replace('job_', 'resp_'))).toMatchObject({ status: 'queued' })
  })

  it('is made once for an Idempotency-Key', async () => {
    const headers = { 'idempotency-key': `key-${Date.now()}` }
    const first = await view(post({ ...asked, background: true }, { headers }))
    const again = await post({ ...asked, background: true }, { headers })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect((await view(again)).id).toBe(first.id)
    expect((await post({ ...asked, input: 'Else', background: true }, { headers })).status).toBe(422)
  })
})

describe('a stream', () => {
  it('has the documented events, numbered from 0, and ends with the whole response', async () => {
    const before = await newestJob()
    const reading = readEvents(post({ ...asked, stream: true }))
    const jobId = await until(async () => {
      const id = await newestJob()
      return id !== before && (await bench.tokenLog.record(id)) !== null ? id : undefined
    })
    await complete(await bench.begin(jobId), 'Hello there')
    const raw = await reading
    const events = raw.map(dataOf)
    expect(types(events)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(numbers(events)).toEqual(events.map((_, place) => place))
    expect(raw.map(({ event, id }) => [event, id])).toEqual(events.map((event, place) => [event['type'], `${place}`]))
    const id = jobId.replace('job_', 'resp_')
    expect(events.at(-1)?.['response']).toEqual(await get(id))
    expect(await replay(id)).toEqual(events)
  })

  it('of a background response says that it is queued, and is told again from any number, by any ingress', async () => {
    const id = await background()
    const early = readEvents(call(url(`/${id}?stream=true`)))
    const attempt = await bench.begin(jobOf(id))
    await attempt.say('one ', 'two ')
    const late = readEvents(call(url(`/${id}?stream=true&starting_after=5`)))
    await attempt.say('three')
    await attempt.end('completed', { finishReason: 'stop', usage, result: whole('one two three') })
    const events = (await early).map(dataOf)
    expect(types(events).slice(0, 3)).toEqual(['response.created', 'response.queued', 'response.in_progress'])
    expect((await late).map(dataOf)).toEqual(events.slice(6))
    const another = await bench.anotherIngress()
    for (const [place] of events.entries()) {
      const response = call(`${another.url}/v1/responses/${id}?stream=true&starting_after=${place}`)
      expect((await readEvents(response)).map(dataOf)).toEqual(events.slice(place + 1))
    }
    await another.stop()
  })

  it('of reasoning, calls and a refusal agrees with the response', async () => {
    const id = await background({
      tools: [{ type: 'function', name: 'f', parameters: {} }],
      reasoning: { summary: 'auto' },
    })
    const attempt = await bench.begin(jobOf(id))
    const { writer } = attempt
    const call_ = (index: number, fields: object) => ({ index: 0, delta: { tool_calls: [{ index, ...fields }] } })
    for (const delta of [
      { index: 0, delta: { reasoning_content: 'Hm' } },
      { index: 0, delta: { reasoning_content: 'm.' } },
      call_(0, { id: 'call_a', function: { name: 'f', arguments: '' } }),
      call_(0, { function: { arguments: '{"a"' } }),
      call_(1, { id: 'call_b', function: { name: 'f', arguments: '{}' } }),
      call_(0, { function: { arguments: ':1}' } }),
      { index: 0, finish_reason: 'tool_calls' },
    ]) {
      writer.deltas([delta])
      await writer.flush()
    }
    const message = {
      reasoning_content: 'Hmm.',
      tool_calls: [
        { id: 'call_a', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
        { id: 'call_b', type: 'function', function: { name: 'f', arguments: '{}' } },
      ],
    }
    await attempt.end('completed', { finishReason: 'tool_calls', result: whole(null, message) })
    const events = await replay(id)
    expect(types(events).slice(3, -1)).toEqual([
      'response.output_item.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.function_call_arguments.done',
      'response.output_item.done',
    ])
    const done = events.filter((event) => event['type'] === 'response.output_item.done').map((event) => event['item'])
    expect(done).toEqual((await get(id))['output'])
    expect(done).toMatchObject([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hmm.' }] },
      { type: 'function_call', call_id: 'call_a', name: 'f', arguments: '{"a":1}', status: 'completed' },
      { type: 'function_call', call_id: 'call_b' },
    ])

    const refused = await background()
    const second = await bench.begin(jobOf(refused))
    second.writer.deltas([{ index: 0, delta: { refusal: 'No.' } }])
    await second.end('completed', { finishReason: 'stop', result: whole(null, { refusal: 'No.' }) })
    expect(types(await replay(refused))).toEqual(
      expect.arrayContaining(['response.refusal.delta', 'response.refusal.done']),
    )
    expect(await get(refused)).toMatchObject({ output: [{ content: [{ type: 'refusal', refusal: 'No.' }] }] })
  })

  it('that nobody stores is cancelled with its client, and tells of failures as a response', async () => {
    const reading = readEvents(post({ ...asked, store: false, stream: true }))
    const spec = await bench.nextExchange()
    const attempt = await bench.begin(spec.id)
    await attempt.say('Hel')
    await attempt.end('failed', { error: { code: 'upstream_interrupted', message: 'Cut off.' } })
    const events = (await reading).map(dataOf)
    expect(types(events).slice(0, 2)).toEqual(['response.created', 'response.in_progress'])
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'upstream_interrupted' }, store: false },
    })
    const left = readSse(await openStream({ store: false }))
    await left.nextEvent()
    const jobId = [...bench.core.exchanges].at(-1)?.spec.id ?? ''
    await left.cancel()
    await until(async () => (await bench.tokenLog.record(jobId))?.cancelRequested)
  })

  async function openStream(body: object): Promise<Response> {
    const opening = post({ ...asked, ...body, stream: true })
    const attempt = await bench.begin((await bench.nextExchange()).id)
    await attempt.say('Hel')
    return opening
  }

  it('that starts over ends with an error for who has seen what is void, and is whole for everybody else', async () => {
    const id = await background()
    const live = readSse(await call(url(`/${id}?stream=true`)))
    const first = await bench.begin(jobOf(id))
    await first.say('void ')
    for (let place = 0; place < 6; place++) await live.nextEvent()
    await first.release('retry')
    const second = await bench.begin(jobOf(id), 'w2')
    const error = dataOf(await live.nextEvent())
    expect(error).toMatchObject({ type: 'error', code: 'stream_interrupted', sequence_number: 5 })
    expect(await live.nextEvent()).toBeNull()
    await complete(second, 'right')
    const events = await replay(id)
    expect(events.flatMap((event) => event['delta'] ?? [])).toEqual(['right'])
    expect(numbers(events)).toEqual([0, 1, 2, 6, 7, 8, 9, 10, 11, 12])
    for (const seen of [3, 4, 5]) expect(types(await replay(id, `&starting_after=${seen}`))).toEqual(['error'])
    expect(await replay(id, '&starting_after=2')).toEqual(events.slice(3))
    expect(await replay(id, '&starting_after=8')).toEqual(events.slice(6))
  })

  it('is made of the result when its log is gone', async () => {
    const id = await answered({}, 'one two three')
    const events = await replay(id)
    await record()
    await forget(id)
    const made = await replay(id)
    expect(numbers(made)).toEqual(made.map((_, place) => place))
    expect(made.flatMap((event) => event['delta'] ?? [])).toEqual(['one two three'])
    expect(made.at(-1)?.['response']).toEqual(events.at(-1)?.['response'])
    expect(await replay(id, '&starting_after=1')).toEqual(made.slice(2))
    const rest = await replay(id, '&starting_after=40')
    expect(rest).toMatchObject([{ type: 'response.completed', sequence_number: 41 }])
  })

  it('of a job that is still to be enqueued waits for it', async () => {
    const id = await background()
    const spec = (await bench.tokenLog.record(jobOf(id)))?.spec
    await forget(id)
    const reading = readEvents(call(url(`/${id}?stream=true`)))
    await until(() => bench.core.readers.size > 0)
    if (spec !== undefined) await bench.tokenLog.open(spec)
    await complete(await bench.begin(jobOf(id)), 'Hello')
    expect(types((await reading).map(dataOf)).at(-1)).toBe('response.completed')
  })
})

describe('a response that Redis has lost', () => {
  it('is read on by those who have seen nothing of its output, and is an error to the others', async () => {
    const id = await background()
    const staying = readSse(await call(url(`/${id}?stream=true`)))
    await (await bench.begin(jobOf(id))).say('lost')
    while (dataOf(await staying.nextEvent())['type'] !== 'response.output_text.delta');
    await forget(id)
    const [lost] = await database.store.claimLost([jobOf(id)])
    if (lost !== undefined) await bench.tokenLog.open(lost.spec, '', lost.losses)
    await complete(await bench.begin(jobOf(id)), 'Hello')
    const events = await replay(id)
    expect(events.flatMap((event) => event['delta'] ?? [])).toEqual(['Hello'])
    expect(numbers(events).slice(0, 5)).toEqual([0, 1, 2, 1_000_000, 1_000_001])
    for (const seen of [0, 1, 2]) expect(await replay(id, `&starting_after=${seen}`)).toEqual(events.slice(seen + 1))
    expect(await replay(id, '&starting_after=1000001')).toEqual(events.slice(5))
    for (const seen of [3, 5, 40]) expect(types(await replay(id, `&starting_after=${seen}`))).toEqual(['error'])
    expect(types((await staying.rest()).map(dataOf))).toEqual(['error'])
  })
})

describe('a stopping ingress', () => {
  it('lets the stream of a new response go on, and tells its client where to read on when it has to end', async () => {
    const own = await createBench({ store: database.store })
    const before = await newestJob()
    const stream = async () => readSse(await call(`${own.url}/v1/responses`, { json: { ...asked, stream: true } }))
    const ended = await stream()
    const first = await until(async () => ((await newestJob()) === before ? undefined : newestJob()))
    const cut = await stream()
    const second = await until(async () => ((await newestJob()) === first ? undefined : newestJob()))
    await ended.nextEvent()
    await cut.nextEvent()
    await own.quiet()
    await complete(await own.begin(first), 'Hello')
    expect(dataOf((await ended.rest()).at(-1) ?? null)).toMatchObject({ type: 'response.completed' })
    const attempt = await own.begin(second)
    await attempt.say('Hel')
    const stopping = own.stop(200)
    const last = (await cut.rest()).map(dataOf).at(-1)
    expect(last).toMatchObject({ type: 'error', code: 'stream_interrupted', sequence_number: 4 })
    await stopping
    await own.close()
  })
})

describe('a conversation', () => {
  const tools = [{ type: 'function', name: 'f', parameters: { type: 'object' } }]
  const called = whole(null, {
    tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }],
  })
  const messagesOf = async (id: string) => (await bench.begin(jobOf(id))).spec.request['messages']

  it('goes on after stored responses, without the instructions of before', async () => {
    const first = await answered({ instructions: 'Old.', tools }, '', called)
    const second = await answered({
      previous_response_id: first,
      tools,
      input: [{ type: 'function_call_output', call_id: 'call_1', output: '3' }],
    })
    await record()
    const third = await background({ previous_response_id: second, instructions: 'New.', input: 'More' })
    expect(await messagesOf(third)).toEqual([
      { role: 'system', content: 'New.' },
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: '3' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'More' },
    ])
    const list = (await view(call(url(`/${third}/input_items?order=asc&limit=2`)))) as unknown as ItemList
    expect(list.data).toMatchObject([{ role: 'user' }, { type: 'function_call', call_id: 'call_1' }])
    expect(list).toMatchObject({ object: 'list', has_more: true, last_id: list.data[1]?.id })
    const rest = (await view(call(url(`/${third}/input_items?order=asc&after=${list.last_id}`)))) as unknown as ItemList
    expect(rest.data.map(({ type }) => type)).toEqual(['function_call_output', 'message', 'message'])
    expect(rest.has_more).toBe(false)
    const newest = (await view(call(url(`/${third}/input_items?limit=1`)))) as unknown as ItemList
    expect(newest.data).toMatchObject([{ content: [{ type: 'input_text', text: 'More' }] }])
  })

  interface ItemList {
    readonly data: readonly { readonly id: string; readonly type: string }[]
    readonly has_more: boolean
    readonly last_id: string
  }

  it('may refer to items of stored responses by their ids', async () => {
    const first = await answered({ tools }, '', called)
    const ending = first.slice(5)
    const second = await background({
      input: [
        { role: 'user', content: 'Hi' },
        { type: 'item_reference', id: `fc_${ending}_0` },
        { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: '3' }] },
      ],
    })
    expect(await messagesOf(second)).toMatchObject([
      { role: 'user' },
      { role: 'assistant', tool_calls: [{ id: 'call_1' }] },
      { role: 'tool', content: '3' },
    ])
    const unknown = post({ ...asked, input: [{ type: 'item_reference', id: `msg_${ending}_7` }] })
    expect(await errorOf(unknown)).toEqual({ status: 400, code: 'invalid_value', param: 'input[0].id' })
  })

  it('does not go on after what has not ended, was deleted, or is not there', async () => {
    const param = 'previous_response_id'
    const after = (previousId: string) => errorOf(post({ ...asked, previous_response_id: previousId }))
    const open = await background()
    expect(await after(open)).toEqual({ status: 409, code: 'conflict', param })
    expect(await after('resp_none')).toEqual({ status: 404, code: 'response_not_found', param })
    expect(await after('../../x')).toEqual({ status: 404, code: 'response_not_found', param })
    const first = await answered()
    const second = await answered({ previous_response_id: first })
    await call(url(`/${first}`), { method: 'DELETE' })
    expect(await after(first)).toEqual({ status: 404, code: 'response_not_found', param })
    expect(await after(second)).toEqual({ status: 404, code: 'response_not_found', param })
  })

  it('refuses a call without its output, and an output without its call', async () => {
    const first = await answered({ tools }, '', called)
    expect(await errorOf(post({ ...asked, previous_response_id: first }))).toEqual({
      status: 400,
      code: 'invalid_value',
      param: 'input',
    })
    const output = { type: 'function_call_output', call_id: 'call_9', output: '3' }
    expect(await errorOf(post({ ...asked, input: [output] }))).toMatchObject({ param: 'input[0].call_id' })
  })
})

describe('deleting', () => {
  it('drops the content, and stops what goes on', async () => {
    const id = await answered({}, 'A secret')
    await record()
    const response = await call(url(`/${id}`), { method: 'DELETE' })
    expect(await response.json()).toEqual({ id, object: 'response', deleted: true })
    for (const path of [`/${id}`, `/${id}/input_items`, `/${id}?stream=true`]) {
      expect(await errorOf(call(url(path)))).toMatchObject({ status: 404, code: 'response_not_found' })
    }
    expect((await call(url(`/${id}`), { method: 'DELETE' })).status).toBe(404)
    expect(await database.store.getJob(jobOf(id), 'master')).toMatchObject({ job: { result: null } })
    await until(async () => (await bench.tokenLog.read(jobOf(id), null)) === null)

    const running = await background()
    await bench.begin(jobOf(running))
    await call(url(`/${running}`), { method: 'DELETE' })
    await until(async () => (await bench.tokenLog.record(jobOf(running)))?.cancelRequested)
  })
})

describe('another owner', () => {
  it('sees nothing', async () => {
    const id = await answered()
    const paths: readonly (readonly [string, string])[] = [
      ['GET', `/${id}`],
      ['GET', `/${id}?stream=true`],
      ['GET', `/${id}/input_items`],
      ['POST', `/${id}/cancel`],
      ['DELETE', `/${id}`],
    ]
    for (const [method, path] of paths) {
      expect([path, (await call(url(path), { method, key: otherKey })).status]).toEqual([path, 404])
    }
    const chained = post({ ...asked, previous_response_id: id }, { key: otherKey })
    expect(await errorOf(chained)).toMatchObject({ status: 404, code: 'response_not_found' })
    const item = { type: 'item_reference', id: `msg_${id.slice(5)}_0` }
    expect((await post({ ...asked, input: [item] }, { key: otherKey })).status).toBe(400)
    expect((await call(url(`/${id}`))).status).toBe(200)
  })
})

describe('bad requests', () => {
  const parts = (part: object) => ({ input: [{ role: 'user', content: [part] }] })
  it.each<[string, object]>([
    ['model', { model: 'nope' }],
    ['input', { input: 7 }],
    ['input', { input: undefined }],
    ['input', { input: [] }],
    ['input[0].role', { input: [{ content: 'x' }] }],
    ['input[0].role', { input: [{ role: 'robot', content: 'x' }] }],
    ['input[0].content', { input: [{ role: 'user' }] }],
    ['input[0].content[0].type', parts({ type: 'input_audio', input_audio: {} })],
    ['input[0].content[0].text', parts({ type: 'input_text' })],
    ['input[0].content[0].image_url', parts({ type: 'input_image' })],
    ['input[0].content[0].file_id', parts({ type: 'input_image', file_id: 'file-1' })],
    ['input[0].content[0].file_url', parts({ type: 'input_file', file_url: 'https://x' })],
    ['input[0].type', { input: [{ type: 'web_search_call', id: 'ws_1' }] }],
    [
      'input[1].name',
      {
        input: [
          { role: 'user', content: 'x' },
          { type: 'function_call', call_id: 'a', arguments: '{}' },
        ],
      },
    ],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }],
    ['tools[1].name', { tools: [{ type: 'function', name: 'f' }, { type: 'function' }] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['tool_choice.type', { tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'mcp' } }],
    ['tool_choice.name', { tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'function', name: 'g' } }],
    ['text.format.type', { text: { format: { type: 'xml' } } }],
    ['text.format.schema', { text: { format: { type: 'json_schema', name: 'x' } } }],
    ['reasoning.effort', { reasoning: { effort: 'much' } }],
    ['include[0]', { include: ['everything'] }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['max_output_tokens', { max_output_tokens: 1.5 }],
    ['temperature', { temperature: 3 }],
    ['top_p', { top_p: -1 }],
    ['top_logprobs', { top_logprobs: 21 }],
    ['metadata.a', { metadata: { a: 1 } }],
    ['store', { store: 'yes' }],
    ['store', { store: false, background: true }],
    ['conversation', { conversation: 'conv_1' }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['truncation', { truncation: 'auto' }],
    ['max_tokens', { max_tokens: 5 }],
    ['messages', { messages: [] }],
    ['n', { n: 2 }],
    ['seed', { seed: 'x' }],
    ['service_tier', { service_tier: 'gold' }],
    ['previous_response_id', { previous_response_id: 7 }],
  ])('naming %s: %j', async (param, body) => {
    const jobs = async () => (await bench.redis.keys(`${bench.server.keys.namespace}*job*`)).length
    const before = await jobs()
    const { status, ...error } = await errorOf(post({ ...asked, ...body }))
    expect([error.param, status]).toEqual([param, error.code === 'model_not_found' ? 404 : 400])
    expect(await jobs()).toBe(before)
  })

  it('of reading name the field', async () => {
    const id = await answered()
    for (const [param, path] of [
      ['starting_after', `/${id}?stream=true&starting_after=x`],
      ['starting_after', `/${id}?stream=true&starting_after=-1`],
      ['starting_after', `/${id}?starting_after=1`],
      ['stream', `/${id}?stream=maybe`],
      ['limit', `/${id}/input_items?limit=1000`],
      ['order', `/${id}/input_items?order=up`],
      ['after', `/${id}/input_items?after=msg_none`],
    ] as const) {
      expect(await errorOf(call(url(path)))).toMatchObject({ status: 400, param })
    }
  })
})
