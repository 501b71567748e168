import type { EndMessage, NewWebhookSecret, WebhookDeliveryView } from '@inferq/contracts'
import { createEndMessage } from '@inferq/contracts'
import { createSealer } from '@inferq/liveconfig'
import { createWebhookSecrets } from '@inferq/webhooks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database?.stop())
beforeEach(async () => {
  bench = await createBench({ store: database.store })
})
afterEach(() => bench.close())

const request = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const url = 'https://receiver.example/hooks?token=1'
const submit = (webhook: unknown, key?: string) =>
  call(`${bench.url}/v1/jobs`, {
    json: { type: 'completion', request, webhook },
    ...(key === undefined ? {} : { key }),
  })
const get = async <T>(path: string, key?: string) =>
  (await (await call(bench.url + path, key === undefined ? {} : { key })).json()) as T
const post = (path: string, json?: unknown, key?: string) =>
  call(bench.url + path, {
    method: 'POST',
    ...(json === undefined ? {} : { json }),
    ...(key === undefined ? {} : { key }),
  })

/** As a controller records it. */
async function endJob(jobId: string, end: Partial<EndMessage> = {}): Promise<void> {
  const record = await bench.tokenLog.record(jobId)
  if (record === null) throw new Error(`${jobId} has no record`)
  const message = createEndMessage(record, [], 'completed', { at: Date.now(), result: { choices: [] } })
  await database.store.commitOutcomes([{ ...message, ...end }])
}

/** A job that has ended, with a delivery. */
async function told(key?: string): Promise<WebhookDeliveryView> {
  const { id } = (await (await submit({ url }, key)).json()) as { id: string }
  await endJob(id)
  const { data } = await get<{ data: WebhookDeliveryView[] }>(`/v1/jobs/${id}/webhook-deliveries`, key)
  if (data[0] === undefined) throw new Error('no delivery')
  return data[0]
}

describe('a job with a webhook', () => {
  it('keeps who is to be told, of every end unless it says otherwise', async () => {
    const response = await submit({ url })
    expect(response.status).toBe(202)
    const { id } = (await response.json()) as { id: string }
    expect((await bench.tokenLog.record(id))?.spec.webhook).toEqual({
      url,
      events: ['job.completed', 'job.failed', 'job.cancelled', 'job.expired'],
      base: bench.url,
    })
    expect((await database.store.claimLost([id]))[0]?.spec.webhook).toMatchObject({ url })
    const some = (await (await submit({ url, events: ['job.failed'] })).json()) as { id: string }
    expect((await bench.tokenLog.record(some.id))?.spec.webhook?.events).toEqual(['job.failed'])
  })

  it.each([
    [{ url: 'ftp://x.example' }, 'webhook.url'],
    [{ url: 'no address' }, 'webhook.url'],
    [{ url: '' }, 'webhook.url'],
    [{ url: 'https://user:pass@x.example' }, 'webhook.url'],
    [{ url: 'http://127.0.0.1/' }, 'webhook.url'],
    [{ url: 'http://169.254.169.254/latest' }, 'webhook.url'],
    [{ url: 'http://[::ffff:10.0.0.1]/' }, 'webhook.url'],
    [{ url: 'http://localhost:4000/' }, 'webhook.url'],
    [{ url: `https://x.example/${'x'.repeat(2_100)}` }, 'webhook.url'],
    [{ url: 7 }, 'webhook.url'],
    [{}, 'webhook.url'],
    [{ url, secret: 'x' }, 'webhook.secret'],
    [{ url, events: [] }, 'webhook.events'],
    [{ url, events: ['job.started'] }, 'webhook.events[0]'],
    [{ url, events: ['job.failed', 'job.failed'] }, 'webhook.events'],
    ['https://x.example', 'webhook'],
  ])('is refused where the webhook cannot be: %j', async (webhook, param) => {
    const before = (await database.store.listJobs('master', { limit: 100 })).jobs.length
    const response = await submit(webhook)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param, type: 'invalid_request_error' } })
    expect((await database.store.listJobs('master', { limit: 100 })).jobs).toHaveLength(before)
  })
})

describe('deliveries', () => {
  it('are shown with the job, to its owner', async () => {
    const { id } = (await (await submit({ url })).json()) as { id: string }
    const path = `/v1/jobs/${id}/webhook-deliveries`
    expect(await get(path)).toEqual({ object: 'list', data: [], has_more: false, next: null })
    await endJob(id)
    const [claimed] = await database.store.claimDeliveries({
      ...{ limit: 100, perHost: 100, busy: new Map(), leaseMs: 60_000 },
    })
    const delivery = { deliveryId: claimed?.id ?? '', attempt: claimed?.attempts ?? 0 }
    const error = { code: 'status' as const, message: 'The receiver answered 500.' }
    const next = { kind: 'retry' as const, inMs: 5_000 }
    await database.store.settleDelivery({ ...delivery, startedAt: 1_500, durationMs: 20, status: 500, error, next })
    const { data } = await get<{ data: WebhookDeliveryView[] }>(path)
    expect(data).toEqual([
      {
        ...{ id: id.replace('job_', 'whd_'), object: 'webhook.delivery', job_id: id, event: 'job.completed', url },
        ...{ state: 'pending', attempts: 1, last_status: 500, last_error: error, delivered_at: null },
        ...{ created_at: expect.any(Number), next_attempt_at: expect.any(Number) },
        attempt_log: [{ attempt: 1, started_at: 1.5, duration_ms: 20, status: 500, error }],
      },
    ])
    expect((await call(bench.url + path, { key: otherKey })).status).toBe(404)
    expect((await call(`${bench.url}/v1/jobs/job_0/webhook-deliveries`)).status).toBe(404)
  })

  it('are listed newest first, page by page, by state, each owner’s own', async () => {
    const mine = [await told(otherKey), await told(otherKey), await told(otherKey)]
    await told()
    interface Page {
      readonly data: readonly WebhookDeliveryView[]
      readonly next: string | null
      readonly has_more: boolean
    }
    const first = await get<Page>('/v1/webhooks/deliveries?limit=2', otherKey)
    expect(first.has_more).toBe(true)
    const second = await get<Page>(`/v1/webhooks/deliveries?limit=2&after=${first.next}`, otherKey)
    expect(second).toMatchObject({ has_more: false, next: null })
    const ids = [...first.data, ...second.data].map(({ id }) => id)
    expect(ids).toEqual(mine.map(({ id }) => id).reverse())
    expect(await get<Page>('/v1/webhooks/deliveries?state=abandoned', otherKey)).toMatchObject({ data: [] })
    for (const [query, param] of [
      ['state=lost', 'state'],
      ['limit=0', 'limit'],
      ['after=x', 'after'],
      ['page=2', 'page'],
    ]) {
      const response = await call(`${bench.url}/v1/webhooks/deliveries?${query}`)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { param } })
    }
  })

  it('are sent again when their owner says so', async () => {
    const { id } = await told()
    const path = `/v1/webhooks/deliveries/${id}/replay`
    const response = await post(path)
    expect(response.status).toBe(202)
    expect(await response.json()).toMatchObject({ id, state: 'pending', next_attempt_at: expect.any(Number) })
    for (const [wrong, key] of [
      [path, otherKey],
      ['/v1/webhooks/deliveries/whd_0/replay', undefined],
      ['/v1/webhooks/deliveries/%00/replay', undefined],
    ] as const) {
      const refused = await post(wrong, undefined, key)
      expect(refused.status).toBe(404)
      expect(await refused.json()).toMatchObject({ error: { code: 'delivery_not_found' } })
    }
  })
})

describe('the signing secret', () => {
  it('is made at first use, shown once, and rotated', async () => {
    expect(await get('/v1/webhooks/secret')).toEqual({ object: 'webhook.secret', data: [] })
    const made = await post('/v1/webhooks/secret')
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    const first = (await made.json()) as NewWebhookSecret
    expect(first.secret).toMatch(/^whsec_/)
    const again = await post('/v1/webhooks/secret')
    expect(again.status).toBe(409)
    expect(await again.json()).toMatchObject({ error: { code: 'conflict' } })

    const rotated = (await (await post('/v1/webhooks/secret/rotate', { grace_s: 60 })).json()) as NewWebhookSecret
    expect(rotated.secret).not.toBe(first.secret)
    expect(rotated.previous_expires_at).toBeCloseTo(Date.now() / 1000 + 60, -1)
    const listed = await get<{ data: readonly object[] }>('/v1/webhooks/secret')
    expect(listed.data).toMatchObject([
      { id: rotated.id, expires_at: null },
      { id: first.id, expires_at: rotated.previous_expires_at },
    ])
    expect(JSON.stringify(listed)).not.toContain('whsec_')
    const signing = await createWebhookSecrets(database.store, createSealer('test')).signing('master')
    expect(signing).toEqual([rotated.secret, first.secret])
  })

  it('is shown when a delivery came first, and is each owner’s own', async () => {
    const secrets = createWebhookSecrets(database.store, createSealer('test'))
    const [signs] = await secrets.signing('other')
    const shown = (await (await post('/v1/webhooks/secret', undefined, otherKey)).json()) as NewWebhookSecret
    expect(shown.secret).toBe(signs)
    expect(shown.previous_expires_at).toBeNull()
    expect(await secrets.signing('master')).not.toContain(signs)
  })

  it('is rotated with a day’s grace when nothing else is said', async () => {
    await post('/v1/webhooks/secret/rotate')
    const { previous_expires_at: at } = (await (await post('/v1/webhooks/secret/rotate')).json()) as NewWebhookSecret
    expect(at).toBeCloseTo(Date.now() / 1000 + 86_400, -2)
    for (const [json, param] of [
      [{ grace_s: -1 }, 'grace_s'],
      [{ grace_s: 1e7 }, 'grace_s'],
      [{ grace_s: 1.5 }, 'grace_s'],
      [{ grace: 5 }, 'grace'],
    ]) {
      const response = await post('/v1/webhooks/secret/rotate', json)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { param } })
    }
  })

  it('is in no log and, in Postgres, sealed', async () => {
    const { secret } = (await (await post('/v1/webhooks/secret/rotate')).json()) as NewWebhookSecret
    const stored = await database.store.webhookSecrets('master')
    expect(JSON.stringify([stored, bench.lines])).not.toContain(secret.slice(6))
    expect(createSealer('test').open('another', stored[0]?.sealed ?? '').kind).toBe('refused')
  })

  it('needs a key', async () => {
    for (const path of ['/v1/webhooks/secret', '/v1/webhooks/deliveries', '/v1/jobs/job_0/webhook-deliveries']) {
      expect((await call(bench.url + path, { key: null })).status).toBe(401)
    }
  })
})
