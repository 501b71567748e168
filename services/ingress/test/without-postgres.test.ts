import { withDeadline } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, clock, createBench, masterKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

/** What Postgres has to answer; an ingress gives it 1.5 s. */
const answerWithinMs = 2_000

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase({ answerWithinMs })
  const databaseCheck = {
    name: 'postgres',
    run: () =>
      withDeadline(clock, { timeoutMs: 500, what: 'select 1' }, () => database.store.ping()).then(
        () => ({ ok: true as const, latencyMs: 0 }),
        () => ({ ok: false as const, error: 'away' }),
      ),
  }
  bench = await createBench({ store: database.store, databaseCheck, options: { idempotencyLeaseMs: 300 } })
})
afterAll(async () => {
  database?.resume()
  await bench?.close()
  await database?.stop()
})

const chat = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const job = { type: 'completion', request: chat }
const respondAsync = { prefer: 'respond-async' }
const keyed = () => ({ 'idempotency-key': crypto.randomUUID() })
const waiting = async (): Promise<number> => (await bench.queue.depth('gpu')).waiting

function post(path: string, json: object, headers: Record<string, string> = {}): Promise<Response> {
  return call(bench.url + path, { json, headers })
}

async function upload(): Promise<Response> {
  const form = new FormData()
  form.set('purpose', 'batch')
  form.set('file', new Blob(['{}\n']), 'lines.jsonl')
  const headers = { authorization: `Bearer ${masterKey}` }
  return fetch(`${bench.url}/v1/files`, { method: 'POST', headers, body: form })
}

const everything: readonly (readonly [string, () => Promise<Response>])[] = [
  ['a job', () => post('/v1/jobs', job)],
  ['a job with a key', () => post('/v1/jobs', job, keyed())],
  ['many jobs', () => post('/v1/jobs:batch', { jobs: [job, job] })],
  ['many jobs with a key', () => post('/v1/jobs:batch', { jobs: [job, job] }, keyed())],
  ['a deferred chat', () => post('/v1/chat/completions', chat, respondAsync)],
  ['a deferred message', () => post('/v1/messages', { ...chat, max_tokens: 5 }, respondAsync)],
  ['a chat with a key', () => post('/v1/chat/completions', chat, keyed())],
  ['a stored response', () => post('/v1/responses', { model: 'chat', input: 'Hi' })],
  ['a stored response, streamed', () => post('/v1/responses', { model: 'chat', input: 'Hi', stream: true })],
  ['a response in the background', () => post('/v1/responses', { model: 'chat', input: 'Hi', background: true })],
  ['a file', upload],
  [
    'a batch',
    () => post('/v1/batches', { input_file_id: 'file-1', endpoint: '/v1/embeddings', completion_window: '24h' }),
  ],
  ['a retry', () => post('/v1/jobs/job_1/retry', {})],
  ['the list of jobs', () => call(`${bench.url}/v1/jobs`)],
  ['a job that is not in Redis', () => call(`${bench.url}/v1/jobs/job_1`)],
]

describe('while Postgres does not answer', () => {
  it('everything that has to be kept gets 503 with Retry-After in time, and nothing is queued', async () => {
    database.pause()
    try {
      // What is asked for the first time takes longer.
      await Promise.all(everything.map(([, ask]) => ask()))
      // On a busy machine everything takes longer, and so does one statement.
      const one = timed(() => database.store.ping().catch(() => 'refused'))
      const answers = everything.map(async ([what, ask]) => ({ what, ...(await timed(ask)) }))
      const oneMs = (await one).ms
      for (const { what, result: response, ms } of await Promise.all(answers)) {
        expect([what, response.status, await response.text()]).toEqual([what, 503, expect.stringContaining('database')])
        expect(Number(response.headers.get('retry-after')), what).toBeGreaterThan(0)
        expect(ms, `${what} waits for two statements, one after the other`).toBeLessThan(oneMs + 0.9 * answerWithinMs)
      }
      expect(await waiting()).toBe(0)
    } finally {
      database.resume()
    }
    await until(async () => (await post('/v1/jobs', job)).status === 202)
    await until(async () => (await waiting()) >= 1)
  })

  it('an interactive request is served, and the ingress stays in its balancer', async () => {
    const readiness = () => call(`${bench.url}/health/readiness`, { key: null })
    expect(await (await readiness()).json()).toMatchObject({ status: 'ready' })
    database.pause()
    try {
      const answer = post('/v1/chat/completions', chat)
      const { id } = await bench.nextExchange()
      const attempt = await bench.begin(id)
      const result = {
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
      }
      await attempt.end('completed', { result, usage: { promptTokens: 1, completionTokens: 1 } })
      expect((await answer).status).toBe(200)
      const degraded = await readiness()
      expect(degraded.status).toBe(200)
      expect(await degraded.json()).toMatchObject({
        status: 'degraded',
        checks: { redis: { status: 'ok' }, postgres: { status: 'failing' } },
      })
    } finally {
      database.resume()
    }
    await until(async () => ((await (await readiness()).json()) as { status: string }).status === 'ready')
  })

  it('a key whose request was given up makes one job, when it is asked again', async () => {
    const headers = keyed()
    const before = await listed()
    for (let round = 0; round < 3; round++) {
      const asked = post('/v1/jobs', job, headers)
      database.pause()
      const first = (await asked).status
      database.resume()
      expect([202, 503]).toContain(first)
    }
    const made = await until(async () => {
      const response = await post('/v1/jobs', job, headers)
      return response.status === 202 ? ((await response.json()) as { id: string }) : undefined
    })
    const after = await listed()
    expect(after.filter((id) => !before.includes(id))).toEqual([made.id])
  })
})

async function listed(): Promise<readonly string[]> {
  const response = await until(async () => {
    const tried = await call(`${bench.url}/v1/jobs?limit=100`)
    return tried.status === 200 ? tried : undefined
  })
  return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
}

async function timed<Result>(run: () => Promise<Result>): Promise<{ readonly result: Result; readonly ms: number }> {
  const startedAt = performance.now()
  const result = await run()
  return { result, ms: performance.now() - startedAt }
}
