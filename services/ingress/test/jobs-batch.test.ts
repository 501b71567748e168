import type { JobView } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

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

const chat = (content: string) => ({
  type: 'completion',
  request: { model: 'chat', messages: [{ role: 'user', content }] },
  metadata: { content },
})
const submit = (jobs: unknown, headers: Record<string, string> = {}) =>
  call(`${bench.url}/v1/jobs:batch`, { json: { jobs }, headers })
const list = async (response: Response) => (await response.json()) as { object: string; data: JobView[] }
const error = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string | null; message: string } }).error
const count = async () => (await database.store.listJobs('master', { limit: 100 })).jobs.length
const waiting = async () => (await bench.queue.depth('gpu')).waiting

describe('several jobs at once', () => {
  it('are accepted together, in their order, and are in their queues', async () => {
    const before = await waiting()
    const jobs = [...Array.from({ length: 9 }, (_, i) => chat(`${i}`)), embedding]
    const response = await submit(jobs)
    expect(response.status).toBe(202)
    const { object, data } = await list(response)
    expect(object).toBe('list')
    expect(data.map(({ metadata }) => metadata['content'])).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', 'e'])
    expect(data.at(-1)).toMatchObject({ type: 'embedding', status: 'queued', model: 'team/embed' })
    expect(new Set(data.map(({ id }) => id)).size).toBe(10)
    expect(await waiting()).toBe(before + 10)
    const places = await Promise.all(data.map(({ id }) => bench.queue.position({ jobId: id, hop: 0, class: 'gpu' })))
    expect(places).toEqual(places.toSorted((a, b) => (a ?? 0) - (b ?? 0)))
    for (const { id, urls } of data) expect(await (await call(urls.self)).json()).toMatchObject({ id, object: 'job' })
    await until(async () => {
      const { jobs: rows } = await database.store.listJobs('master', { limit: 10 })
      return rows.every(({ enqueuedAt }) => enqueuedAt !== null)
    })
  })

  it('may be a thousand, and not one more', async () => {
    const jobs = Array.from({ length: 1_001 }, (_, i) => chat(`${i}`))
    const refused = await submit(jobs)
    expect(refused.status).toBe(400)
    expect(await error(refused)).toMatchObject({ code: 'invalid_value', param: 'jobs' })
    const { data } = await list(await submit(jobs.slice(1)))
    expect(data).toHaveLength(1_000)
    expect(data.map(({ id }) => id)).toEqual(data.map(({ id }) => id).toSorted())
    expect(await bench.tokenLog.record(data[999]?.id ?? '')).toMatchObject({ status: 'queued' })
  })

  it.each([
    ['no list', 5, 'jobs', 'invalid_value'],
    ['an empty list', [], 'jobs', 'invalid_value'],
    ['a job that is none', [chat('a'), 'b'], 'jobs[1]', 'invalid_value'],
    ['an unknown type', [{ type: 'image', request: {} }], 'jobs[0].type', 'invalid_value'],
    ['a field nobody knows', [chat('a'), { ...chat('b'), webhok: 1 }], 'jobs[1].webhok', 'unknown_parameter'],
    [
      'a request without messages',
      [chat('a'), { type: 'completion', request: { model: 'chat' } }],
      'jobs[1].request.messages',
      'missing_required_parameter',
    ],
    [
      'a wrong type deep inside',
      [
        chat('a'),
        chat('b'),
        { type: 'completion', request: { model: 'chat', messages: [{ role: 'user', content: 7 }] } },
      ],
      'jobs[2].request.messages[0].content',
      'invalid_value',
    ],
    [
      'a summary of nothing',
      [{ type: 'summarization', request: { model: 'chat' } }],
      'jobs[0].request.text',
      'missing_required_parameter',
    ],
    [
      'a model nobody has',
      [chat('a'), { ...chat('b'), request: { ...chat('b').request, model: 'nope' } }],
      'jobs[1].request.model',
      'model_not_found',
    ],
  ])('are all refused for %s, which is named', async (_name, jobs, param, code) => {
    const [rows, depth] = [await count(), await waiting()]
    const response = await submit(jobs)
    expect([400, 404]).toContain(response.status)
    const { message, ...rest } = await error(response)
    expect(rest).toMatchObject({ code, param })
    if (code !== 'model_not_found') expect(message).toContain(`'${param}'`)
    expect([await count(), await waiting()]).toEqual([rows, depth])
  })

  it('are given back, and not made again, for the same Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'batch-1' }
    const jobs = [chat('x'), chat('y')]
    const first = await list(await submit(jobs, headers))
    const before = await waiting()
    const response = await submit(jobs, headers)
    expect([response.status, response.headers.get('idempotent-replayed')]).toEqual([202, 'true'])
    expect((await list(response)).data.map(({ id }) => id)).toEqual(first.data.map(({ id }) => id))
    expect(await waiting()).toBe(before)
    expect((await submit([chat('x')], headers)).status).toBe(422)
  })

  it('stand when Redis is away: the relay enqueues them', async () => {
    await bench.loseRedis()
    try {
      const response = await submit([chat('later'), chat('too')])
      expect(response.status).toBe(202)
      const ids = (await list(response)).data.map(({ id }) => id)
      const claimed = await database.store.claimUnqueued({ limit: 1_000, leaseMs: 1 })
      expect(claimed.map(({ id }) => id)).toEqual(expect.arrayContaining(ids))
    } finally {
      await bench.findRedis()
    }
  })

  it('need a key, are the owner’s alone, and are only posted', async () => {
    expect((await call(`${bench.url}/v1/jobs:batch`, { json: { jobs: [chat('a')] }, key: null })).status).toBe(401)
    const { data } = await list(await submit([chat('mine')]))
    expect((await call(`${bench.url}/v1/jobs/${data[0]?.id}`, { key: otherKey })).status).toBe(404)
    const got = await call(`${bench.url}/v1/jobs:batch`)
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

const embedding = {
  type: 'embedding',
  request: { model: 'team/embed', input: 'a' },
  metadata: { content: 'e' },
}
