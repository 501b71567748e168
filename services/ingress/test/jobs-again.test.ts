import type { EndPayload, JobView, OutcomeMessage, TerminalStatus } from '@inferq/contracts'
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

const request = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }], temperature: 0.5 }
const result = { choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }] }
const failure = { code: 'upstream_error', message: 'No.' } as const

const submit = async (json: object = {}): Promise<JobView> =>
  (await (await call(`${bench.url}/v1/jobs`, { json: { type: 'completion', request, ...json } })).json()) as JobView
const retry = (jobId: string, options: object = {}) =>
  call(`${bench.url}/v1/jobs/${jobId}/retry`, { method: 'POST', ...options })
const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code

/** What the controller does with the outcome stream, and Redis after a while. */
async function recordAndForget(jobId: string): Promise<void> {
  const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
  await database.store.commitOutcomes(entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage))
  await bench.redis.del(bench.server.keys.job(jobId), bench.server.keys.log(jobId))
}

async function ended(status: TerminalStatus, end: Partial<EndPayload> = {}, json: object = {}): Promise<JobView> {
  const job = await submit(json)
  await (await bench.begin(job.id)).end(status, { error: failure, ...end })
  return job
}

describe('a job that ended without a result', () => {
  it.each(['live', 'recorded'])('is run again as a new one that names it (%s)', async (where) => {
    const terms = { priority: 'flex', start_within_s: 60, finish_within_s: 600, metadata: { doc: '42' } }
    const job = await ended('failed', {}, terms)
    if (where === 'recorded') await recordAndForget(job.id)
    const response = await retry(job.id)
    expect(response.status).toBe(202)
    const again = (await response.json()) as JobView
    expect(again).toMatchObject({ retry_of: job.id, status: 'queued', attempts: [], metadata: { doc: '42' } })
    expect(again.id).not.toBe(job.id)
    expect(response.headers.get('location')).toBe(again.urls.self)
    const spec = (await bench.tokenLog.record(again.id))?.spec
    expect(spec).toMatchObject({ request, tier: 'flex', mode: 'async', keepResult: true, retryOf: job.id })
    expect((spec?.startBy ?? 0) - (spec?.createdAt ?? 0)).toBe(60_000)
    expect((spec?.finishBy ?? 0) - (spec?.createdAt ?? 0)).toBe(600_000)
    await bench.redis.del(bench.server.keys.job(again.id), bench.server.keys.log(again.id))
    expect(await (await call(again.urls.self)).json()).toMatchObject({ id: again.id, retry_of: job.id })
    expect((await call(job.urls.self)).status).toBe(200)
  })

  it.each(['failed', 'cancelled', 'expired'] as const)('may have %s', async (status) => {
    const job = await ended(status)
    await recordAndForget(job.id)
    expect((await retry(job.id)).status).toBe(202)
  })

  it('is routed anew', async () => {
    const job = await ended('failed')
    const before = bench.live.current()
    bench.live.swap({ ...before, models: before.models.filter(({ name }) => name !== 'chat') })
    try {
      const response = await retry(job.id)
      expect(response.status).toBe(404)
      expect(await codeOf(response)).toBe('model_not_found')
    } finally {
      bench.live.swap(before)
    }
  })

  it('is waited for with `Prefer: wait`', async () => {
    const job = await ended('failed')
    const waiting = retry(job.id, { headers: { prefer: 'wait=20' } })
    const again = await until(async () => {
      const [newest] = (await database.store.listJobs('master', { limit: 1 })).jobs
      return newest?.retryOf === job.id && (await bench.tokenLog.record(newest.id)) !== null ? newest.id : null
    })
    await (await bench.begin(again)).end('completed', { result })
    const response = await waiting
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ id: again, retry_of: job.id, status: 'completed' })
  })

  it('is run again once for one Idempotency-Key', async () => {
    const job = await ended('failed')
    const headers = { 'idempotency-key': `again ${job.id}` }
    const first = (await (await retry(job.id, { headers })).json()) as JobView
    const second = await retry(job.id, { headers })
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(((await second.json()) as JobView).id).toBe(first.id)
  })
})

describe('a job is not run again', () => {
  it('that waits, runs or completed', async () => {
    const job = await submit()
    expect(await codeOf(await retry(job.id))).toBe('conflict')
    const attempt = await bench.begin(job.id)
    expect((await retry(job.id)).status).toBe(409)
    await attempt.end('completed', { result })
    expect((await retry(job.id)).status).toBe(409)
    await recordAndForget(job.id)
    expect((await retry(job.id)).status).toBe(409)
  })

  it('whose request was dropped', async () => {
    const job = await ended('failed')
    await recordAndForget(job.id)
    await database.store.dropRequests({ endedBefore: Date.now() + 60_000, limit: 1_000 })
    const response = await retry(job.id)
    expect(response.status).toBe(409)
    expect(await response.json()).toMatchObject({ error: { code: 'conflict', message: /not kept/ } })
  })

  it('that is another’s, or never was', async () => {
    const job = await ended('failed')
    expect((await retry(job.id, { key: otherKey })).status).toBe(404)
    expect((await retry('job_00000000000000000000000000')).status).toBe(404)
  })
})

describe('`Prefer` on an OpenAI route', () => {
  const ask = (prefer: string) => call(`${bench.url}/v1/chat/completions`, { json: request, headers: { prefer } })
  const begun = async (before: string | undefined) =>
    bench.begin(
      await until(async () => {
        const [newest] = (await database.store.listJobs('master', { limit: 1 })).jobs
        return newest !== undefined && newest.id !== before && (await bench.tokenLog.record(newest.id)) !== null
          ? newest.id
          : null
      }),
    )
  const newest = async () => (await database.store.listJobs('master', { limit: 1 })).jobs[0]?.id

  it('answers with the completion itself when it came in time', async () => {
    const before = await newest()
    const asked = ask('respond-async, wait="20"')
    const attempt = await begun(before)
    await attempt.end('completed', { result })
    const response = await asked
    expect([response.status, response.headers.get('preference-applied')]).toEqual([200, 'wait=20'])
    expect(await response.json()).toMatchObject({ object: 'chat.completion', ...result })
    expect(response.headers.get('x-inferq-job-id')).toBe(attempt.spec.id)
    expect(response.headers.get('location')).toBe(`${bench.url}/v1/jobs/${attempt.spec.id}`)
  })

  it('answers with the job’s error when it failed in time', async () => {
    const before = await newest()
    const asked = ask('respond-async; wait=20')
    await (await begun(before)).end('failed', { error: failure })
    const response = await asked
    expect([response.status, await codeOf(response)]).toEqual([502, 'upstream_error'])
  })

  it.each([
    ['respond-async, wait=1', 'respond-async, wait=1'],
    ['wait=soon, RESPOND-ASYNC', 'respond-async'],
    ['handling=lenient,respond-async', 'respond-async'],
  ])('answers %j with the job when it takes longer', async (prefer, applied) => {
    const response = await ask(prefer)
    expect([response.status, response.headers.get('preference-applied')]).toEqual([202, applied])
    expect(await response.json()).toMatchObject({ object: 'job', status: 'queued' })
  })

  it('is said to be applied on the native route too', async () => {
    const json = { type: 'completion', request }
    const response = await call(`${bench.url}/v1/jobs`, { json, headers: { prefer: 'wait=1' } })
    expect([response.status, response.headers.get('preference-applied')]).toEqual([202, 'wait=1'])
    expect((await call(`${bench.url}/v1/jobs`, { json })).headers.get('preference-applied')).toBeNull()
  })
})
