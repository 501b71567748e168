import type { JobSpec } from '@inferq/contracts'
import { createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type AttemptOutcome, createStore, type Store } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec } from './support/jobs.ts'

const claims = { limit: 10, perHost: 10, busy: new Map<string, number>(), leaseMs: 60_000 }

describe.each(databaseKinds())('webhooks in $name', ({ start }) => {
  let server: DatabaseServer
  let store: Store
  let pool: pg.Pool

  beforeAll(async () => {
    server = await start()
    store = createStore({ url: server.url, log: createSilentLog(), relayAfterMs: 0 })
    pool = new pg.Pool({ connectionString: server.url, max: 1 })
    pool.on('error', () => {})
    const answers = () =>
      store.ping().then(
        () => true,
        () => false,
      )
    await until(answers)
    await store.migrate()
  })
  afterEach(async () => {
    await pool.query('delete from jobs')
  })
  afterAll(async () => {
    await pool?.end()
    await store?.close()
    await server?.stop()
  })

  const told = async (overrides: Partial<JobSpec> = {}, url = 'https://example.com/hooks') => {
    const webhook = { url, events: ['job.completed' as const, 'job.failed' as const], base: 'https://inferq.example' }
    const spec = jobSpec({ webhook, ...overrides })
    await store.insertAccepted([spec])
    return spec
  }
  const ended = async (...args: Parameters<typeof told>) => {
    const spec = await told(...args)
    await store.commitOutcomes([endOf(spec)])
    return spec
  }
  const only = async (spec: JobSpec) => {
    const [delivery] = await store.jobDeliveries(spec.id, spec.owner)
    if (delivery === undefined) throw new Error('no delivery')
    return delivery
  }
  const outcome = (deliveryId: string, attempt: number, next: AttemptOutcome['next']): AttemptOutcome => ({
    ...{ deliveryId, attempt, startedAt: 1_000, durationMs: 12.6, next },
    ...(next.kind === 'delivered'
      ? { status: 204, error: null }
      : { status: 500, error: { code: 'status', message: 'It answered 500.' } }),
  })
  /** Makes what waits for another time due now. */
  const hasten = () => pool.query(`update webhook_deliveries set next_at = now() where state = 'pending'`)

  describe('the end of a job', () => {
    it('makes a delivery, once, however often it is told', async () => {
      const spec = await told()
      expect((await store.claimLost([spec.id]))[0]?.spec.webhook).toEqual(spec.webhook)
      const end = endOf(spec)
      expect((await store.commitOutcomes([end])).deliveries).toBe(1)
      expect((await store.commitOutcomes([end])).deliveries).toBe(0)
      expect(await store.jobDeliveries(spec.id, spec.owner)).toEqual([
        expect.objectContaining({
          ...{ id: spec.id.replace('job_', 'whd_'), jobId: spec.id, event: 'job.completed', state: 'pending' },
          ...{ url: 'https://example.com/hooks', host: 'example.com', base: 'https://inferq.example' },
          ...{ attempts: 0, log: [], createdAt: end.endedAt, deliveredAt: null, lastError: null },
        }),
      ])
    })

    it('makes none when nobody asked for it, or for other ends', async () => {
      const [silent, other] = [jobSpec(), await told()]
      await store.insertAccepted([silent])
      const report = await store.commitOutcomes([endOf(silent), endOf(other, { status: 'cancelled' })])
      expect(report).toMatchObject({ deliveries: 0, ended: [{}, {}] })
      expect(await store.countPendingDeliveries()).toBe(0)
    })

    it('makes one when its content is refused, too', async () => {
      const spec = await told()
      const strange = { ...endOf(spec), costNanoUsd: 1e30 }
      expect(await store.commitOutcomes([strange])).toMatchObject({ deliveries: 1, rejected: [] })
    })

    it('is kept until somebody has been told', async () => {
      const spec = await ended()
      const everything = { endedBefore: Date.UTC(2100, 0, 1), limit: 100 }
      expect(await store.deleteEnded(everything)).toBe(0)
      const [delivery] = await store.claimDeliveries(claims)
      await store.settleDelivery(outcome(delivery?.id ?? '', 1, { kind: 'delivered' }))
      expect(await store.deleteEnded(everything)).toBe(1)
      expect(await store.jobDeliveries(spec.id, spec.owner)).toEqual([])
    })
  })

  describe('claiming', () => {
    it('gives a delivery to one, and again when its lease is over', async () => {
      const spec = await ended()
      const both = await Promise.all([store.claimDeliveries(claims), store.claimDeliveries(claims)])
      expect(both.flat()).toMatchObject([{ jobId: spec.id, attempts: 1, attemptsThisRound: 1 }])
      await hasten()
      expect(await store.claimDeliveries(claims)).toMatchObject([{ attempts: 2 }])
    })

    it('bounds what one host gets at once, and lets none wait behind another', async () => {
      for (let job = 0; job < 6; job++) await ended({}, `https://slow.example/${job}`)
      const late = await ended({}, 'https://other.example:8443/x')
      const first = await store.claimDeliveries({ ...claims, limit: 4, perHost: 3 })
      expect(first.map(({ host }) => host).sort()).toEqual([
        ...['other.example:8443', 'slow.example', 'slow.example', 'slow.example'],
      ])
      expect(first.some(({ jobId }) => jobId === late.id)).toBe(true)
      const busy = new Map([['slow.example', 2]])
      expect(await store.claimDeliveries({ ...claims, perHost: 3, busy })).toHaveLength(1)
      expect(await store.claimDeliveries({ ...claims, perHost: 3, busy: new Map([['slow.example', 9]]) })).toEqual([])
      expect(await store.claimDeliveries({ ...claims, limit: 1 })).toHaveLength(1)
    })

    it('gives nothing when nothing is due', async () => {
      expect(await store.claimDeliveries(claims)).toEqual([])
      await ended()
      const [claimed] = await store.claimDeliveries(claims)
      await store.settleDelivery(outcome(claimed?.id ?? '', 1, { kind: 'retry', inMs: 60_000 }))
      expect(await store.claimDeliveries(claims)).toEqual([])
    })
  })

  describe('the outcome of an attempt', () => {
    it('is recorded with its log', async () => {
      const spec = await ended()
      const [claimed] = await store.claimDeliveries(claims)
      const id = claimed?.id ?? ''
      await store.settleDelivery(outcome(id, 1, { kind: 'retry', inMs: 0 }))
      expect(await only(spec)).toMatchObject({ state: 'pending', lastStatus: 500, lastError: { code: 'status' } })
      await store.claimDeliveries(claims)
      const delivered = outcome(id, 2, { kind: 'delivered' })
      await store.settleDelivery(delivered)
      await store.settleDelivery(delivered)
      expect(await only(spec)).toMatchObject({
        ...{ state: 'delivered', attempts: 2, lastStatus: 204, lastError: null, nextAt: null },
        deliveredAt: expect.any(Number),
        log: [
          { attempt: 2, startedAt: 1_000, durationMs: 13, status: 204, error: null },
          { attempt: 1, status: 500, error: { code: 'status', message: 'It answered 500.' } },
        ],
      })
    })

    it('of an attempt that was overtaken changes nothing, unless it delivered', async () => {
      const spec = await ended()
      const [claimed] = await store.claimDeliveries(claims)
      const id = claimed?.id ?? ''
      await hasten()
      await store.claimDeliveries(claims)
      await store.settleDelivery(outcome(id, 1, { kind: 'abandoned' }))
      expect(await only(spec)).toMatchObject({ state: 'pending', attempts: 2, lastStatus: null })
      await store.settleDelivery(outcome(id, 1, { kind: 'delivered' }))
      await store.settleDelivery(outcome(id, 2, { kind: 'failed' }))
      expect(await only(spec)).toMatchObject({ state: 'delivered', lastStatus: 204 })
    })

    it('keeps the latest fifty attempts', async () => {
      const spec = await ended()
      const [claimed] = await store.claimDeliveries(claims)
      const id = claimed?.id ?? ''
      for (let attempt = 1; attempt <= 60; attempt++) {
        await store.settleDelivery(outcome(id, attempt, { kind: 'retry', inMs: 0 }))
      }
      const { log } = await only(spec)
      expect([log.length, log[0]?.attempt, log.at(-1)?.attempt]).toEqual([50, 60, 11])
    })
  })

  describe('a replay', () => {
    it('is due at once, whatever became of it, with all retries again', async () => {
      const spec = await ended()
      for (const kind of ['delivered', 'failed', 'abandoned'] as const) {
        const [claimed] = await store.claimDeliveries(claims)
        await store.settleDelivery(outcome(claimed?.id ?? '', claimed?.attempts ?? 0, { kind }))
        expect(await store.claimDeliveries(claims)).toEqual([])
        expect(await store.replayDelivery(claimed?.id ?? '', spec.owner)).toMatchObject({ state: 'pending' })
      }
      expect(await store.claimDeliveries(claims)).toMatchObject([{ attempts: 4, attemptsThisRound: 1 }])
    })

    it('is its owner’s alone', async () => {
      const spec = await ended()
      const { id } = await only(spec)
      expect(await store.replayDelivery(id, 'other')).toBeNull()
      expect(await store.replayDelivery('whd_\0', spec.owner)).toBeNull()
      expect(await store.jobDeliveries(spec.id, 'other')).toEqual([])
    })
  })

  it('lists deliveries newest first, by page, state and owner', async () => {
    const specs: JobSpec[] = []
    for (let job = 0; job < 5; job++) {
      const spec = await told({ owner: 'lister' })
      await store.commitOutcomes([endOf(spec, { endedAt: spec.createdAt + job })])
      specs.push(spec)
    }
    await ended({ owner: 'another' })
    const first = await store.listDeliveries('lister', { limit: 3 })
    const second = await store.listDeliveries('lister', { limit: 3, after: first.next ?? '' })
    const ids = [...first.deliveries, ...second.deliveries].map(({ jobId }) => jobId)
    expect(ids).toEqual(specs.map(({ id }) => id).reverse())
    expect(second.next).toBeNull()
    expect((await store.listDeliveries('lister', { limit: 3, state: 'delivered' })).deliveries).toEqual([])
    await expect(store.listDeliveries('lister', { limit: 3, after: 'x' })).rejects.toMatchObject({
      code: 'invalid_value',
    })
  })

  describe('signing secrets', () => {
    const secret = (owner: string, id: string, shown = false) => ({ id, owner, sealed: `sealed ${id}`, shown })

    it('are one for each owner until one is rotated', async () => {
      await store.insertWebhookSecret(secret('a', 'a1'))
      await store.insertWebhookSecret(secret('a', 'a2'))
      await store.insertWebhookSecret(secret('b', 'b1'))
      expect(await store.webhookSecrets('a')).toMatchObject([{ id: 'a1', sealed: 'sealed a1', expiresAt: null }])
      const rotated = await store.rotateWebhookSecret(secret('a', 'a3', true), 60_000)
      expect(rotated.previousExpiresAt).toBeGreaterThan(Date.now() + 50_000)
      expect(await store.webhookSecrets('a')).toMatchObject([{ id: 'a3', expiresAt: null }, { id: 'a1' }])
      expect(await store.webhookSecrets('b')).toHaveLength(1)
    })

    it('are shown once', async () => {
      await store.insertWebhookSecret(secret('once', 'o1'))
      expect(await store.showWebhookSecret('once')).toMatchObject({ id: 'o1' })
      expect(await store.showWebhookSecret('once')).toBeNull()
      await store.rotateWebhookSecret(secret('once', 'o2', true), 0)
      expect(await store.showWebhookSecret('once')).toBeNull()
      expect(await store.webhookSecrets('once')).toMatchObject([{ id: 'o2' }])
      await store.deleteExpiredWebhookSecrets()
      expect((await pool.query(`select id from webhook_secrets where owner = 'once'`)).rows).toEqual([{ id: 'o2' }])
    })

    it('can be rotated before there is one, and many times', async () => {
      expect(await store.rotateWebhookSecret(secret('often', 'f0'), 60_000)).toMatchObject({ previousExpiresAt: null })
      for (let turn = 1; turn < 9; turn++) await store.rotateWebhookSecret(secret('often', `f${turn}`), 60_000)
      expect((await store.webhookSecrets('often')).map(({ id }) => id)).toEqual(['f8', 'f7', 'f6', 'f5', 'f4'])
    })

    it('have one current one, however many rotate at once', async () => {
      const turns = Array.from({ length: 8 }, (_, turn) =>
        store.rotateWebhookSecret(secret('race', `r${turn}`), 60_000),
      )
      const results = await Promise.allSettled(turns)
      const current = (await store.webhookSecrets('race')).filter(({ expiresAt }) => expiresAt === null)
      expect(current).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' })
      }
    })
  })
})
