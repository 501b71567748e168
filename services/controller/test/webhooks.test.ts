import { type JobSpec, webhookEvents } from '@inferq/contracts'
import { createSealer } from '@inferq/liveconfig'
import { createSystemClock } from '@inferq/runtime'
import { createLogger } from '@inferq/telemetry'
import { until } from '@inferq/testkit'
import { createWebhookSecrets } from '@inferq/webhooks'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ControllerOptions } from '../src/options.ts'
import { createSender } from '../src/webhooks/send.ts'
import { createWorld, metricValue, startTestPostgres, type TestPostgres, type World } from './support.ts'
import { type Receiver, signed, startReceiver } from './webhook-support.ts'

let postgres: TestPostgres
let world: World
let receiver: Receiver
let owners = 0
let owner: string

beforeAll(async () => {
  postgres = await startTestPostgres({ statementTimeoutMs: 8_000 })
})
afterAll(() => postgres?.stop())
beforeEach(async () => {
  world = await createWorld(postgres.store)
  receiver = await startReceiver()
  owner = `owner-${owners++}`
})
afterEach(async () => {
  await world.close()
  await settleAll()
  await postgres.clear()
  await receiver.stop()
})

/** What waits for an attempt keeps its job. */
async function settleAll(): Promise<void> {
  for (let due = await claimAll(); due.length > 0; due = await claimAll()) {
    for (const { id, attempts } of due) await abandon(id, attempts)
  }
  for (let known = 0; known < owners; known++) {
    const page = await postgres.store.listDeliveries(`owner-${known}`, { limit: 100, state: 'pending' })
    for (const { id, attempts } of page.deliveries) await abandon(id, attempts)
  }
}
const claimAll = () => postgres.store.claimDeliveries({ limit: 100, perHost: 100, busy: new Map(), leaseMs: 60_000 })
const abandon = (deliveryId: string, attempt: number) =>
  postgres.store.settleDelivery({
    ...{ deliveryId, attempt, startedAt: 0, durationMs: 0, status: null, error: null, next: { kind: 'abandoned' } },
  })

const open: ControllerOptions['webhooks'] = () => ({
  ...{ allowPrivate: ['127.0.0.0/8'], ports: [], timeoutSeconds: 5, maxAttempts: 4 },
})
const patient = { webhookPollMs: 50, webhookWaitsMs: [10], webhooks: open }
const secrets = () => createWebhookSecrets(postgres.store, createSealer('test'))

const submit = (overrides: Partial<JobSpec> = {}, url = receiver.url) =>
  world.submit({ owner, webhook: { url, events: webhookEvents, base: 'https://inferq.example' }, ...overrides })
const ended = async (...args: Parameters<typeof submit>) => {
  const spec = await submit(...args)
  await world.run(spec)
  return spec
}
const deliveryOf = async (spec: JobSpec) => {
  const [delivery] = await postgres.store.jobDeliveries(spec.id, spec.owner)
  return delivery
}
/** One session serves all: asking it all the time would keep the controllers waiting. */
const inState = (spec: JobSpec, state: string) =>
  until(
    async () => {
      const delivery = await deliveryOf(spec)
      return delivery?.state === state ? delivery : null
    },
    { everyMs: 25, what: `a delivery that is ${state}` },
  )

describe('the end of a job', () => {
  it('is told its receiver, signed, with the job as it ended', async () => {
    const { metrics } = await world.startController(patient)
    const spec = await ended({ metadata: { doc: '42' } })
    const delivery = await inState(spec, 'delivered')
    expect(receiver.received).toHaveLength(1)
    const [request] = receiver.received
    if (request === undefined) throw new Error('nothing received')
    const { secret } = await secrets().show(owner)
    expect(new Webhook(secret).verify(request.body, signed(request))).toEqual(JSON.parse(request.body))
    expect(request.headers).toMatchObject({
      ...{ 'webhook-id': delivery.id, 'user-agent': 'inferq-webhooks/1' },
      'content-type': 'application/json; charset=utf-8',
    })
    expect(request.path).toBe('/hooks?token=planted-in-url')
    expect(JSON.parse(request.body)).toMatchObject({
      type: 'job.completed',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: {
        ...{ id: spec.id, object: 'job', status: 'completed', metadata: { doc: '42' } },
        result: { answer: spec.id, object: 'chat.completion' },
        urls: { self: `https://inferq.example/v1/jobs/${spec.id}` },
      },
    })
    expect(delivery).toMatchObject({ attempts: 1, lastStatus: 204, log: [{ attempt: 1, status: 204, error: null }] })
    expect(await metricValue(metrics, 'inferq_webhook_deliveries_total', 'outcome="delivered"')).toBe(1)
  })

  it('is told whichever it is, and only where it was asked for', async () => {
    await world.startController(patient)
    const expired = await submit({ startBy: Date.now() - 1 })
    const silent = await submit({
      webhook: { url: receiver.url, events: ['job.failed'] },
      startBy: Date.now() - 1,
    })
    const delivery = await inState(expired, 'delivered')
    expect(delivery.event).toBe('job.expired')
    await until(async () => (await world.status(silent)) === 'expired')
    expect(await deliveryOf(silent)).toBeUndefined()
    expect(receiver.received).toHaveLength(1)
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      type: 'job.expired',
      data: { result: null, error: { code: 'job_expired' } },
    })
  })

  it('leaves a large result out and says so', async () => {
    await world.startController(patient)
    const spec = await submit()
    await world.run(spec, { result: { answer: 'x'.repeat(300_000) } })
    await inState(spec, 'delivered')
    const { data } = JSON.parse(receiver.received[0]?.body ?? '') as { data: object }
    expect(data).toMatchObject({ result: null, result_omitted: true, urls: { result: expect.any(String) } })
  })
})

it('counts the deliveries that wait', async () => {
  const { metrics } = await world.startController({ ...patient, webhookConcurrency: 0, webhookCountEveryMs: 50 })
  await ended()
  await until(async () => (await metricValue(metrics, 'inferq_webhook_deliveries_pending')) === 1)
})

describe('a receiver', () => {
  it('that is flaky is tried again under the same id, each time signed anew, until it takes the event', async () => {
    receiver.answer(500, (request) => request.socket.destroy(), 200)
    const { metrics } = await world.startController(patient)
    const spec = await ended()
    const delivery = await inState(spec, 'delivered')
    expect(delivery.log.map(({ status, error }) => [status, error?.code])).toEqual([
      [200, undefined],
      [null, 'unreachable'],
      [500, 'status'],
    ])
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery.id]))
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1)
    const [secret = ''] = await secrets().signing(owner)
    for (const request of receiver.received) new Webhook(secret).verify(request.body, signed(request))
    expect(await metricValue(metrics, 'inferq_webhook_deliveries_total', 'outcome="retried"')).toBe(2)
  })

  it('that never answers well is given up, and is told again when somebody says so', async () => {
    receiver.answer(503)
    await world.startController(patient)
    const spec = await ended()
    const { id } = await inState(spec, 'abandoned')
    expect(receiver.received).toHaveLength(4)
    receiver.answer(204)
    await postgres.store.replayDelivery(id, owner)
    expect(await inState(spec, 'delivered')).toMatchObject({ attempts: 5, lastStatus: 204, lastError: null })
    await postgres.store.replayDelivery(id, owner)
    await until(() => receiver.received.length === 6)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]))
  })

  it('that says it is gone is left alone', async () => {
    receiver.answer(410)
    await world.startController(patient)
    const spec = await ended()
    expect(await inState(spec, 'failed')).toMatchObject({ attempts: 1, lastStatus: 410 })
  })

  it('that redirects is not followed', async () => {
    const other = await startReceiver()
    receiver.answer((_, response) => response.writeHead(307, { location: other.url }).end(), 204)
    await world.startController(patient)
    const spec = await ended()
    const { log } = await inState(spec, 'delivered')
    expect(log.at(-1)).toMatchObject({ status: 307, error: { code: 'status' } })
    expect(other.received).toEqual([])
    await other.stop()
  })

  it('that is slow is given up for now', async () => {
    receiver.answer(() => {}, 204)
    const webhooks = () => ({ ...open(), timeoutSeconds: 0.5, maxAttempts: 20 })
    await world.startController({ ...patient, webhooks })
    const spec = await ended()
    const { log } = await inState(spec, 'delivered')
    expect(log.at(-1)).toMatchObject({ status: null, error: { code: 'timeout', message: 'No answer within 0.5 s.' } })
  })

  it('that answers with a body without end is not read to the end', async () => {
    let sent = 0
    receiver.answer((_, response) => {
      response.writeHead(200)
      const chunk = Buffer.alloc(64 * 1024)
      const pump = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
        sent += chunk.length
      }
      response.on('drain', pump)
      pump()
    })
    await world.startController(patient)
    const spec = await ended()
    await inState(spec, 'delivered')
    expect(receiver.received).toHaveLength(1)
    expect(sent).toBeLessThan(50 * 1024 * 1024)
  })

  it('that asks for time gets it', async () => {
    receiver.answer((_, response) => response.writeHead(429, { 'retry-after': '3600' }).end())
    await world.startController(patient)
    const spec = await ended()
    const delivery = await until(async () => {
      const found = await deliveryOf(spec)
      return found?.lastStatus === 429 ? found : null
    })
    expect(delivery.nextAt).toBeGreaterThan(Date.now() + 3_000_000)
  })

  it('that hangs keeps no other waiting', async () => {
    const other = await startReceiver()
    receiver.answer(() => {})
    const webhooks = () => ({ ...open(), timeoutSeconds: 60 })
    const limits = { webhookConcurrency: 4, webhooksPerHost: 2 }
    const { group } = await world.startController({ ...patient, ...limits, webhooks })
    for (let job = 0; job < 8; job++) await ended()
    const spec = await ended({}, other.url)
    await inState(spec, 'delivered')
    expect(receiver.received).toHaveLength(2)
    await group.stop({ signal: AbortSignal.abort(), timeoutMs: 0 })
    await other.stop()
  })
})

describe('a controller that dies', () => {
  it('between the POST and its record: the event is sent again, under the same id', async () => {
    const spec = await submit()
    await world.run(spec)
    const recorder = await world.startController({ ...patient, webhookConcurrency: 0 })
    await inState(spec, 'pending')
    // What a controller does up to its death: claim, and send.
    const [claimed] = await postgres.store.claimDeliveries({
      ...{ limit: 1, perHost: 1, busy: new Map(), leaseMs: 50 },
    })
    expect(claimed?.jobId).toBe(spec.id)
    const sender = createSender({ policy: open, resolve: async () => [], clock: createSystemClock() })
    const headers = { 'webhook-id': claimed?.id ?? '' }
    const signal = AbortSignal.timeout(5_000)
    expect(await sender.send({ url: receiver.url, headers, body: '{}', signal })).toEqual({
      ...{ kind: 'answered', status: 204 },
    })
    await recorder.group.stop()
    await world.startController(patient)
    expect(await inState(spec, 'delivered')).toMatchObject({ attempts: 2 })
    expect(receiver.received.map((request) => request.headers['webhook-id'])).toEqual([claimed?.id, claimed?.id])
  })

  it('before it told anybody: the next one does', async () => {
    const recorder = await world.startController({ ...patient, webhookConcurrency: 0 })
    const spec = await ended()
    await inState(spec, 'pending')
    await recorder.group.stop()
    expect(receiver.received).toEqual([])
    await world.startController(patient)
    await inState(spec, 'delivered')
  })

  it('is one of several: each end is told once', async () => {
    await Promise.all([1, 2, 3].map(() => world.startController(patient)))
    const specs = await Promise.all(Array.from({ length: 12 }, () => ended()))
    for (const spec of specs) await inState(spec, 'delivered')
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(ids).toHaveLength(12)
    expect(new Set(ids).size).toBe(12)
  })
})

describe('secrets', () => {
  it('sign both during a rotation, and the old one no more after it', async () => {
    await world.startController(patient)
    const { secret: old } = await secrets().show(owner)
    const { secret: fresh, previousExpiresAt } = await secrets().rotate(owner, 60_000)
    expect(previousExpiresAt).toBeGreaterThan(Date.now())
    await inState(await ended(), 'delivered')
    const [during] = receiver.received
    if (during === undefined) throw new Error('nothing received')
    for (const secret of [old, fresh]) new Webhook(secret).verify(during.body, signed(during))

    const { secret: last } = await secrets().rotate(owner, 0)
    await inState(await ended(), 'delivered')
    const [, after] = receiver.received
    if (after === undefined) throw new Error('nothing received')
    new Webhook(last).verify(after.body, signed(after))
    // The first rotation's grace still runs; the second had none.
    expect(() => new Webhook(fresh).verify(after.body, signed(after))).toThrow()
  })

  it('that do not open leave the event for later, and say why', async () => {
    await secrets().show(owner)
    const webhookSecrets = createWebhookSecrets(postgres.store, createSealer('another key'))
    await world.startController({ ...patient, webhookWaitsMs: [60_000] }, { webhookSecrets })
    const spec = await ended()
    await until(async () => (await deliveryOf(spec))?.lastError?.code === 'unsigned')
    expect(receiver.received).toEqual([])
  })

  it('are in no log, nor are the URL’s own', async () => {
    const lines: string[] = []
    const log = createLogger({
      service: 'controller',
      level: 'debug',
      destination: { write: (line) => lines.push(line) },
    })
    receiver.answer(500, 204)
    await world.startController(patient, { log })
    await inState(await ended(), 'delivered')
    const { secret } = await secrets().show(owner)
    const text = lines.join('')
    expect(text).toContain('webhook-delivered')
    expect(text).toContain('webhook-attempt-failed')
    for (const planted of [secret, secret.slice(6), 'planted-in-url', 'v1,']) expect(text).not.toContain(planted)
  })
})
