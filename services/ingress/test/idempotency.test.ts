import type { OutcomeMessage } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { hashOf } from '../src/idempotency.ts'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { type CallOptions, call, dataOf, readSse } from './support/http.ts'

let database: TestDatabase
let bench: Bench
/** As the controller would, all the time. */
let recording: NodeJS.Timeout

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, options: { idempotencyLeaseMs: 400, commitAfterMs: 50 } })
  recording = setInterval(() => void record().catch(() => {}), 50)
})
afterAll(async () => {
  clearInterval(recording)
  await bench?.close()
  await database?.stop()
})

const chat = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const result = { choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }] }
const usage = { promptTokens: 3, completionTokens: 2 }

let keys = 0
const newKey = (): string => `key-${++keys}`

const post = (key: string, json: object = chat, options: CallOptions & { path?: string } = {}): Promise<Response> =>
  call(
    (options.path ?? '').startsWith('http')
      ? String(options.path)
      : bench.url + (options.path ?? '/v1/chat/completions'),
    {
      ...options,
      json,
      headers: { 'idempotency-key': key, ...options.headers },
    },
  )
const textOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as typeof result).choices[0]?.message.content
const isReplay = (response: Response): boolean => response.headers.get('idempotent-replayed') === 'true'

/** What the controller does with the outcome stream. */
async function record(): Promise<void> {
  const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
  await database.store.commitOutcomes(entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage))
}

async function forget(jobId: string): Promise<void> {
  await bench.redis.del(bench.server.keys.job(jobId), bench.server.keys.log(jobId))
}

/** How many jobs wait for the test to play their worker. */
const waiting = async (): Promise<number> => (await bench.queue.depth('gpu')).waiting

/** Ends what a test has left, as its last act. */
async function complete(): Promise<string> {
  const { id } = await bench.nextExchange()
  await (await bench.begin(id)).end('completed', { result, usage })
  return id
}

describe('a request with an Idempotency-Key', () => {
  it('calls the upstream once for two that come at the same time, and answers both', async () => {
    const key = newKey()
    const both = [post(key), post(key)]
    const jobId = await complete()
    const answers = await Promise.all(both)
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(answers.map((answer) => answer.headers.get('x-inferq-job-id'))).toEqual([jobId, jobId])
    expect(answers.map(isReplay).sort()).toEqual([false, true])
    expect(await Promise.all(answers.map(textOf))).toEqual(['Hello', 'Hello'])
    expect(await waiting()).toBe(0)
  })

  it('calls the upstream once for ten at the same time over two ingresses', async () => {
    const key = newKey()
    const another = await bench.anotherIngress()
    const all = Array.from({ length: 10 }, (_, i) =>
      post(key, chat, i % 2 ? { path: `${another.url}/v1/chat/completions` } : {}),
    )
    const jobId = await until(async () => ((await waiting()) === 1 ? anyJob() : undefined), {
      what: 'the one job',
    })
    await (await bench.begin(jobId)).end('completed', { result, usage })
    const answers = await Promise.all(all)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(new Set(answers.map((answer) => answer.headers.get('x-inferq-job-id')))).toEqual(new Set([jobId]))
    expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1)
    expect(await waiting()).toBe(0)

    async function anyJob(): Promise<string | undefined> {
      const pattern = `${bench.server.keys.job('job_')}*`
      for (const name of await bench.redis.keys(pattern)) {
        if ((await bench.redis.type(name)) !== 'hash') continue
        if ((await bench.redis.hget(name, 'status')) === 'queued') return name.slice(name.indexOf('job_'))
      }
      return undefined
    }
  })

  it('is replayed from the record of truth, whole and with its headers', async () => {
    const key = newKey()
    const first = post(key)
    const jobId = await complete()
    const answer = await (await first).json()
    await record()
    await forget(jobId)
    const again = await post(key)
    expect(isReplay(again)).toBe(true)
    expect(again.headers.get('x-inferq-job-id')).toBe(jobId)
    expect(again.headers.get('x-inferq-deployment')).toBe('gpu-1')
    expect(await again.json()).toEqual(answer)
    expect(await waiting()).toBe(0)
  })

  it('waits for the record of an answer that has ended a moment ago', async () => {
    const key = newKey()
    const first = post(key)
    await complete()
    await first
    expect(await textOf(await post(key))).toBe('Hello')
  })

  it('finds the order of fields and white space no difference', async () => {
    const key = newKey()
    const first = post(key)
    await complete()
    await first
    await record()
    const text = JSON.stringify({ messages: chat.messages, model: chat.model }, null, 2)
    const again = await call(`${bench.url}/v1/chat/completions`, { text, headers: { 'idempotency-key': key } })
    expect(isReplay(again)).toBe(true)
  })

  it.each([
    ['another body', { ...chat, temperature: 1 }, '/v1/chat/completions'],
    ['another route', { model: 'chat', prompt: 'Hi' }, '/v1/completions'],
    ['the native route', { type: 'completion', request: chat }, '/v1/jobs'],
  ])('is refused with %s', async (_what, json, path) => {
    const key = newKey()
    const first = post(key)
    await complete()
    await first
    const other = await post(key, json, { path })
    expect(other.status).toBe(422)
    expect(await other.json()).toMatchObject({
      error: { code: 'idempotency_mismatch', type: 'invalid_request_error', param: 'Idempotency-Key' },
    })
    expect(await waiting()).toBe(0)
  })

  it('is its owner’s alone', async () => {
    const key = newKey()
    const first = post(key)
    const mine = await complete()
    await first
    const others = post(key, chat, { key: otherKey })
    const theirs = await complete()
    expect(theirs).not.toBe(mine)
    expect(isReplay(await others)).toBe(false)
  })

  it.each([
    ['empty', ''],
    ['too long', 'k'.repeat(256)],
  ])('is refused when it is %s', async (_what, key) => {
    const response = await post(key)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param: 'Idempotency-Key', code: 'invalid_value' } })
  })

  it('finishes the job of a client that was killed, for the one that comes again', async () => {
    const key = newKey()
    const client = new AbortController()
    const first = post(key, chat, { signal: client.signal }).catch(() => 'gone')
    const { id } = await bench.nextExchange()
    client.abort()
    expect(await first).toBe('gone')
    await until(() => bench.core.exchanges.size === 0)
    const again = post(key)
    await until(() => bench.core.exchanges.size === 1)
    await (await bench.begin(id)).end('completed', { result, usage })
    expect(await textOf(await again)).toBe('Hello')
    expect(isReplay(await again)).toBe(true)
    expect(await waiting()).toBe(0)
  })

  it('streams a job that runs already from its beginning', async () => {
    const key = newKey()
    const streamed = { ...chat, stream: true }
    const first = readSse(await started(post(key, streamed)))
    const attempt = await bench.begin(lastJob)
    await attempt.say('He', 'l')
    expect(dataOf(await first.nextEvent())).toMatchObject({ choices: [{ delta: { content: 'He' } }] })
    const second = readSse(await post(key, streamed))
    expect(isReplay(second.response)).toBe(true)
    await attempt.say('lo')
    await attempt.end('completed', { result, usage, finishReason: 'stop' })
    expect(await allText(first)).toBe('llo')
    expect(await allText(second)).toBe('Hello')
    await record()
    await forget(lastJob)
    const third = readSse(await post(key, streamed))
    expect(isReplay(third.response)).toBe(true)
    expect(third.response.headers.get('content-type')).toContain('text/event-stream')
    expect(await allText(third)).toBe('Hello')
  })

  it('streams nothing of an attempt that is void', async () => {
    const key = newKey()
    const streamed = { ...chat, stream: true }
    const first = readSse(await started(post(key, streamed)))
    const lost = await bench.begin(lastJob)
    await lost.say('Wrong')
    await lost.release('retry')
    const attempt = await bench.begin(lastJob)
    const second = readSse(await post(key, streamed))
    await attempt.say('Right')
    await attempt.end('completed', { result, usage, finishReason: 'stop' })
    expect(await allText(second)).toBe('Right')
    const events = await first.rest()
    expect(events.at(-1)?.data).toContain('stream_interrupted')
  })

  it('is free again when its job failed, so that a retry is a new try', async () => {
    const key = newKey()
    const first = post(key)
    const { id } = await bench.nextExchange()
    const error = { code: 'upstream_overloaded', message: 'Too much.' } as const
    await (await bench.begin(id)).end('failed', { error })
    expect((await first).status).toBe(503)
    await record()
    const again = post(key)
    const second = await complete()
    expect(second).not.toBe(id)
    expect(isReplay(await again)).toBe(false)
    expect(await textOf(await again)).toBe('Hello')
  })

  it('is free again when the request was refused', async () => {
    const key = newKey()
    expect((await post(key, { ...chat, model: 'nope' })).status).toBe(404)
    const again = post(key)
    await complete()
    expect((await again).status).toBe(200)
  })

  it('is taken over when its first request died before it made its job', async () => {
    const key = newKey()
    const claim = { owner: 'master', key, bodyHash: hashOf('chat', chat), leaseMs: 300, keepMs: 86_400_000 }
    await database.store.claimIdempotencyKey({ ...claim, subjectId: 'job_00000000000000000000000000' })
    const both = [post(key), post(key)]
    const jobId = await complete()
    const answers = await Promise.all(both)
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(answers.map((answer) => answer.headers.get('x-inferq-job-id'))).toEqual([jobId, jobId])
    expect(await waiting()).toBe(0)
  })

  it('answers an asynchronous job again with the job as it is by then', async () => {
    const key = newKey()
    const submission = { type: 'completion', request: chat }
    const [first, second] = await Promise.all([
      post(key, submission, { path: '/v1/jobs' }),
      post(key, submission, { path: '/v1/jobs' }),
    ])
    expect([first.status, second.status]).toEqual([202, 202])
    const { id } = (await first.json()) as { id: string }
    expect(((await second.json()) as { id: string }).id).toBe(id)
    expect([isReplay(first), isReplay(second)].sort()).toEqual([false, true])
    const error = { code: 'upstream_error', message: 'No.' } as const
    await (await bench.begin(id)).end('failed', { error })
    const third = await post(key, submission, { path: '/v1/jobs' })
    expect(third.status).toBe(200)
    expect(third.headers.get('location')).toBe(`${bench.url}/v1/jobs/${id}`)
    expect(await third.json()).toMatchObject({ id, status: 'failed', error: { code: 'upstream_error' } })
    expect(await waiting()).toBe(0)
  })

  it('gives the job of a request on a connection to who would rather not wait, and the other way round', async () => {
    const key = newKey()
    const first = post(key)
    const { id } = await bench.nextExchange()
    const deferred = await post(key, chat, { headers: { prefer: 'respond-async' } })
    expect(deferred.status).toBe(202)
    expect(await deferred.json()).toMatchObject({ id, status: 'queued' })
    await (await bench.begin(id)).end('completed', { result, usage })
    await first

    const reverse = newKey()
    const accepted = await post(reverse, chat, { headers: { prefer: 'respond-async' } })
    const { id: second } = (await accepted.json()) as { id: string }
    const waited = post(reverse)
    expect((await bench.nextExchange()).id).toBe(second)
    await (await bench.begin(second)).end('completed', { result, usage })
    expect(await textOf(await waited)).toBe('Hello')
  })

  let lastJob = ''
  /** The stream answers with comments before its job has begun. */
  async function started(response: Promise<Response>): Promise<Response> {
    lastJob = (await bench.nextExchange()).id
    return response
  }
  async function allText(reader: ReturnType<typeof readSse>): Promise<string> {
    const events = await reader.rest()
    expect(events.at(-1)?.data).toBe('[DONE]')
    return events
      .slice(0, -1)
      .map((event) => (dataOf(event) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? '')
      .join('')
  }
})

describe('without a database', () => {
  it('a key is refused with 503, because nobody can tell who is first; without a key all is well', async () => {
    const blind = await createBench()
    onTestFinished(() => blind.close())
    const path = `${blind.url}/v1/chat/completions`
    const refused = await post(newKey(), chat, { path })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(blind.core.exchanges.size).toBe(0)
    const answered = call(path, { json: chat })
    const { id } = await blind.nextExchange()
    await (await blind.begin(id)).end('completed', { result, usage })
    expect((await answered).status).toBe(200)
  })
})

describe('the hash of a request', () => {
  it('is the same for equal bodies whatever the order of their fields, and another for others', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(hashOf('chat', reversed(a))).toBe(hashOf('chat', a))
        const isEqual = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
        expect(hashOf('chat', a) === hashOf('chat', b)).toBe(isEqual)
        expect(hashOf('text', a)).not.toBe(hashOf('chat', a))
      }),
    )
  })
})

const reversed = (value: unknown): unknown => reordered(value, (names) => names.reverse())
const sorted = (value: unknown): unknown => reordered(value, (names) => names.sort())

function reordered(value: unknown, order: (names: string[]) => string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => reordered(item, order))
  if (typeof value !== 'object' || value === null) return value
  const fields = value as Record<string, unknown>
  return Object.fromEntries(order(Object.keys(fields)).map((name) => [name, reordered(fields[name], order)]))
}
