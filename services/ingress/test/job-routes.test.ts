import type { EndMessage, JobView, OutcomeMessage } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call, dataOf, readSse, type SseReader } from './support/http.ts'

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

const request = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const completion = { type: 'completion', request }
const result = { choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }] }
const usage = { promptTokens: 3, completionTokens: 2 }

const submit = async (json: object = completion, headers: Record<string, string> = {}) => {
  const response = await call(`${bench.url}/v1/jobs`, { json, headers })
  return { response, view: (await response.json()) as JobView }
}
const view = async (jobId: string): Promise<JobView> =>
  (await (await call(`${bench.url}/v1/jobs/${jobId}`)).json()) as JobView

/** What the controller does with the outcome stream. */
async function record(): Promise<void> {
  const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
  await database.store.commitOutcomes(entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage))
}

async function newestJob(): Promise<string> {
  return (await database.store.listJobs('master', { limit: 1 })).jobs[0]?.id ?? ''
}

async function forget(jobId: string): Promise<void> {
  await bench.redis.del(bench.server.keys.job(jobId), bench.server.keys.log(jobId))
}

describe('submitting', () => {
  it('answers 202 with the job, which is in the record of truth and in its queue', async () => {
    const { response, view: job } = await submit({
      ...completion,
      priority: 'flex',
      start_within_s: 60,
      finish_within_s: 600,
      metadata: { doc: '42' },
    })
    expect(response.status).toBe(202)
    expect(response.headers.get('location')).toBe(`${bench.url}/v1/jobs/${job.id}`)
    const self = `${bench.url}/v1/jobs/${job.id}`
    expect(job).toEqual({
      id: expect.stringMatching(/^job_[0-9a-z]{26}$/),
      object: 'job',
      type: 'completion',
      status: 'queued',
      owner: 'master',
      retry_of: null,
      model: 'chat',
      created_at: expect.any(Number),
      queue: { class: 'gpu', position: expect.any(Number), eta_s: null },
      route: { rule: null, variant: null, strategy: 'simple-shuffle', reason: 'the model that was asked for' },
      attempts: [],
      progress: null,
      result: null,
      error: null,
      usage: null,
      cost_usd: null,
      timings: { queued_ms: null, ttft_ms: null, duration_ms: null },
      metadata: { doc: '42' },
      urls: { self, events: `${self}/events`, result: `${self}/result`, cancel: `${self}/cancel` },
    })
    const stored = await database.store.getJob(job.id, 'master')
    expect(stored).toMatchObject({ kind: 'found', job: { status: 'queued', tier: 'flex' } })
    const spec = (await bench.tokenLog.record(job.id))?.spec
    expect(spec).toMatchObject({ mode: 'async', stream: true, keepResult: true, tier: 'flex', request })
    expect((spec?.finishBy ?? 0) - (spec?.createdAt ?? 0)).toBe(600_000)
    expect((spec?.startBy ?? 0) - (spec?.createdAt ?? 0)).toBe(60_000)
    await until(async () => {
      const lookup = await database.store.getJob(job.id, 'master')
      return lookup.kind === 'found' && lookup.job.enqueuedAt !== null
    })
  })

  it.each([
    [
      { type: 'embedding', request: { model: 'team/embed', input: 'a' } },
      { operation: 'embeddings', stream: false },
    ],
    [
      { type: 'summarization', request: { model: 'chat', text: 'Long.' } },
      { operation: 'summary', stream: true },
    ],
    [{ type: 'completion', request: { model: 'chat', prompt: 'Hi' } }, { operation: 'text' }],
  ])('takes %o', async (json, expected) => {
    const { view: job } = await submit(json)
    expect((await bench.tokenLog.record(job.id))?.spec).toMatchObject(expected)
  })

  it('waits with `Prefer: wait` for the end, and no longer than it was asked to', async () => {
    const before = await newestJob()
    const waiting = submit(completion, { prefer: 'wait=20' })
    const id = await until(async () => {
      const newest = await newestJob()
      return newest !== before && (await bench.tokenLog.record(newest)) !== null ? newest : null
    })
    await (await bench.begin(id)).end('completed', { result, usage })
    const { response, view: job } = await waiting
    expect(response.status).toBe(200)
    expect(job).toMatchObject({ id, status: 'completed', result: { object: 'chat.completion' }, queue: null })
    const late = await submit(completion, { prefer: 'wait=1' })
    expect(late.response.status).toBe(202)
    expect(late.view.status).toBe('queued')
  })

  it('is what an OpenAI route does with `Prefer: respond-async`', async () => {
    const response = await call(`${bench.url}/v1/chat/completions`, {
      json: request,
      headers: { prefer: 'respond-async' },
    })
    expect(response.status).toBe(202)
    const job = (await response.json()) as JobView
    expect(await view(job.id)).toMatchObject({ object: 'job', status: 'queued' })
  })

  it('accepts while Redis is away: the job stands, and is enqueued later', async () => {
    await bench.loseRedis()
    try {
      const { response, view: job } = await submit()
      expect(response.status).toBe(202)
      expect(await view(job.id)).toMatchObject({ id: job.id, status: 'queued' })
      const claimed = await database.store.claimUnqueued({ limit: 100, leaseMs: 1 })
      expect(claimed.map(({ id }) => id)).toContain(job.id)
    } finally {
      await bench.findRedis()
    }
  })
})

describe('a job', () => {
  it('is shown as it goes on, and is the same when Redis has forgotten it', async () => {
    const { view: job } = await submit()
    const attempt = await bench.begin(job.id)
    expect(await view(job.id)).toMatchObject({
      status: 'in_progress',
      attempts: [{ attempt: 1, worker: 'w1', deployment: null, ended_at: null, outcome: null }],
      timings: { queued_ms: expect.any(Number) },
    })
    const early = await call(`${bench.url}/v1/jobs/${job.id}/result`)
    expect(early.status).toBe(409)
    expect(await early.json()).toMatchObject({ error: { code: 'job_not_finished' } })
    await attempt.say('Hello')
    await attempt.end('completed', { result, usage, costNanoUsd: 1_500_000_000 })
    const live = await view(job.id)
    expect(live).toMatchObject({
      status: 'completed',
      queue: null,
      attempts: [{ outcome: 'completed', deployment: 'gpu-1' }],
      result: { ...result, id: `chatcmpl-${job.id.slice(4)}`, model: 'chat' },
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, estimated: false },
      cost_usd: 1.5,
      timings: { duration_ms: expect.any(Number) },
    })
    const liveResult = await (await call(`${bench.url}/v1/jobs/${job.id}/result`)).json()
    expect(liveResult).toEqual(live.result)

    await record()
    await forget(job.id)
    expect(await view(job.id)).toEqual(live)
    expect(await (await call(`${bench.url}/v1/jobs/${job.id}/result`)).json()).toEqual(liveResult)
    const events = await readSse(await call(`${bench.url}/v1/jobs/${job.id}/events`)).rest()
    expect(events.map(({ event }) => event)).toEqual(['job.completed'])
    expect(dataOf(events[0] ?? null)).toMatchObject({ result: liveResult, usage: { total_tokens: 5 } })
    const again = await call(`${bench.url}/v1/jobs/${job.id}/events`, {
      headers: { 'last-event-id': events[0]?.id ?? '' },
    })
    expect(again.status).toBe(204)
    const chunks = await readSse(await call(`${bench.url}/v1/jobs/${job.id}/events?format=openai`)).rest()
    expect(dataOf(chunks[0] ?? null)['choices']).toMatchObject([{ delta: { role: 'assistant', content: 'Hello' } }])
    expect(chunks.at(-1)?.data).toBe('[DONE]')
  })

  it('that failed answers with its error where its result would be', async () => {
    const { view: job } = await submit()
    const error = { code: 'context_length_exceeded', message: 'Too long.', param: 'messages' } as const
    await (await bench.begin(job.id)).end('failed', { error })
    const response = await call(`${bench.url}/v1/jobs/${job.id}/result`)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      error: {
        message: 'Too long.',
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    })
  })

  it('shows the progress of a summarization', async () => {
    const { view: job } = await submit({ type: 'summarization', request: { model: 'chat', text: 'Long.' } })
    const attempt = await bench.begin(job.id)
    attempt.writer.progress({ stage: 'map', done: 2, total: 5 })
    await attempt.writer.flush()
    expect((await view(job.id)).progress).toEqual({ stage: 'map', done: 2, total: 5 })
  })

  it('is nobody else’s', async () => {
    const { view: job } = await submit()
    for (const path of ['', '/result', '/events']) {
      const response = await call(`${bench.url}/v1/jobs/${job.id}${path}`, { key: otherKey })
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: { code: 'job_not_found' } })
    }
    const cancel = await call(`${bench.url}/v1/jobs/${job.id}/cancel`, { method: 'POST', key: otherKey })
    expect(cancel.status).toBe(404)
    expect((await call(`${bench.url}/v1/jobs/job_00000000000000000000000000`)).status).toBe(404)
    const list = (await (await call(`${bench.url}/v1/jobs`, { key: otherKey })).json()) as { data: unknown[] }
    expect(list.data).toEqual([])
  })

  it('past its retention is gone', async () => {
    const { view: job } = await submit()
    await (await bench.begin(job.id)).end('completed', { result, usage })
    await record()
    await forget(job.id)
    await database.store.deleteEnded({ endedBefore: Date.now() + 60_000, limit: 1_000 })
    for (const path of ['', '/events', '/result']) {
      const response = await call(`${bench.url}/v1/jobs/${job.id}${path}`)
      expect(response.status).toBe(410)
      expect(await response.json()).toMatchObject({ error: { code: 'job_gone' } })
    }
  })
})

describe('a reader whose log is not there', () => {
  it('waits for the job to be enqueued, and reads it from the start', async () => {
    const { view: job } = await submit()
    const spec = (await bench.tokenLog.record(job.id))?.spec
    await forget(job.id)
    const reader = readSse(await call(`${bench.url}/v1/jobs/${job.id}/events`))
    expect(reader.response.status).toBe(200)
    if (spec !== undefined) await bench.tokenLog.open(spec)
    expect((await reader.nextEvent())?.event).toBe('job.queued')
    await (await bench.begin(job.id)).end('completed', { result })
    expect((await reader.rest()).at(-1)?.event).toBe('job.completed')
  })

  it('reads on in the log that the job begins again, wherever it was: what it has seen is void', async () => {
    const { view: job } = await submit()
    await (await bench.begin(job.id)).say('one', 'two')
    const path = `/v1/jobs/${job.id}/events`
    const staying = readSse(await call(bench.url + path))
    expect((await staying.nextEvent())?.id).toBe('0-1')
    await forget(job.id)
    const another = await bench.anotherIngress()
    const returning = readSse(await call(another.url + path, { headers: { 'last-event-id': '1-2' } }))
    const chunks = readSse(await call(`${bench.url}${path}?format=openai`, { headers: { 'last-event-id': '1-1' } }))
    // As the controller brings it back.
    const [lost] = await database.store.claimLost([job.id])
    if (lost !== undefined) await bench.tokenLog.open(lost.spec, '', lost.losses)
    const attempt = await bench.begin(job.id)
    await attempt.say('three')
    await attempt.end('completed', { result })
    const told = async (reader: SseReader) => (await reader.rest()).map(({ id, event }) => `${id} ${event}`)
    const again = [
      '1000000-1 job.queued',
      '1000000-2 output.reset',
      '1000001-0 job.started',
      '1000001-1 output.delta',
      '1000001-2 job.completed',
    ]
    expect(await told(staying)).toEqual(['1-0 job.started', '1-1 output.delta', '1-2 output.delta', ...again])
    expect(await told(returning)).toEqual(again)
    // This format cannot take anything back.
    expect((await chunks.nextEvent())?.data).toContain('stream_interrupted')
    expect(await told(readSse(await call(bench.url + path)))).toEqual(again)
    const since = async (id: string) =>
      told(readSse(await call(bench.url + path, { headers: { 'last-event-id': id } })))
    expect(await since('1000000-2')).toEqual(again.slice(2))
    expect(await since('1000001-1')).toEqual(again.slice(4))
    // What people see is counted from one.
    expect(await view(job.id)).toMatchObject({ status: 'completed', attempts: [{ attempt: 1 }] })
    const whole = await call(`${bench.url}${path}?format=openai`)
    expect(await whole.text()).toContain('three')
  })
})

describe('cancelling', () => {
  const cancel = async (jobId: string) => {
    const response = await call(`${bench.url}/v1/jobs/${jobId}/cancel`, { method: 'POST' })
    return { status: response.status, body: await response.json() }
  }

  it('ends a job that waits, at once and only once', async () => {
    const { view: job } = await submit()
    expect(await cancel(job.id)).toEqual({
      status: 200,
      body: { id: job.id, object: 'job.cancellation', outcome: 'cancelled' },
    })
    expect((await view(job.id)).status).toBe('cancelled')
    expect(await bench.queue.position({ jobId: job.id, hop: 0, class: 'gpu' })).toBeNull()
    expect((await cancel(job.id)).body).toMatchObject({ outcome: 'already_finished' })
    const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
    const ends = entries
      .map(([, fields]) => JSON.parse(fields[1] ?? '') as EndMessage)
      .filter((message) => message.jobId === job.id && message.kind === 'end')
    expect(ends.map(({ status }) => status)).toEqual(['cancelled'])
    const response = await call(`${bench.url}/v1/jobs/${job.id}/result`)
    expect(response.status).toBe(499)
  })

  it('minds no empty body that says it is JSON', async () => {
    const { view: job } = await submit()
    const headers = { 'content-type': 'application/json' }
    const response = await call(`${bench.url}/v1/jobs/${job.id}/cancel`, { method: 'POST', text: '', headers })
    expect(response.status).toBe(200)
  })

  it('tells the worker of a job that runs', async () => {
    const { view: job } = await submit()
    await bench.begin(job.id)
    expect((await cancel(job.id)).body).toMatchObject({ outcome: 'cancelling' })
    expect((await cancel(job.id)).body).toMatchObject({ outcome: 'cancelling' })
  })

  it('ends a job that is not in Redis yet', async () => {
    const { view: job } = await submit()
    await forget(job.id)
    expect((await cancel(job.id)).body).toMatchObject({ outcome: 'cancelled' })
    await record()
    await forget(job.id)
    expect((await view(job.id)).status).toBe('cancelled')
    expect((await cancel(job.id)).body).toMatchObject({ outcome: 'already_finished' })
  })
})

describe('the list', () => {
  it('gives pages, newest first, with the state of now', async () => {
    const ids: string[] = []
    for (let i = 0; i < 3; i++) ids.unshift((await submit({ ...completion, request: { ...request, n: 1 } })).view.id)
    const [newest = '', middle = '', oldest = ''] = ids
    await bench.begin(middle)
    const page = async (query: string) =>
      (await (await call(`${bench.url}/v1/jobs${query}`)).json()) as {
        data: JobView[]
        has_more: boolean
        next: string | null
      }
    const first = await page('?limit=2&type=completion&model=chat')
    expect(first.data.map(({ id, status }) => [id, status])).toEqual([
      [newest, 'queued'],
      [middle, 'in_progress'],
    ])
    expect(first.has_more).toBe(true)
    const second = await page(`?limit=1&after=${first.next}`)
    expect(second.data.map(({ id }) => id)).toEqual([oldest])
    expect((await page('?status=expired')).data).toEqual([])
    expect((await call(`${bench.url}/v1/jobs?after=nonsense`)).status).toBe(400)
  })
})
