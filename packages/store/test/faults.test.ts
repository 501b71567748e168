import { createId, createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createStore, type Store } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec } from './support/jobs.ts'

const unavailable = expect.objectContaining({ code: 'service_unavailable' })
const answerWithinMs = 400
/** The rest is for a busy machine. */
const patienceMs = 10 * answerWithinMs

describe.each(databaseKinds())('a store whose $name', ({ name, start }) => {
  let server: DatabaseServer
  let proxy: TcpProxy

  beforeAll(async () => {
    server = await start()
    proxy = await startTcpProxy({ path: server.socketPath })
    const store = createStore({ url: server.url, log: createSilentLog() })
    await until(() =>
      store.migrate().then(
        () => true,
        () => false,
      ),
    )
    await store.close()
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.stop()
  })

  /** With several connections that were used and are idle. */
  const connect = async (): Promise<Store> => {
    const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`
    const store = createStore({
      url,
      log: createSilentLog(),
      relayAfterMs: 0,
      answerWithinMs,
      statementTimeoutMs: 10_000,
    })
    onTestFinished(async () => {
      proxy.pass()
      await store.close()
    })
    await useMany(store)
    return store
  }
  const useMany = (store: Store) =>
    until(() =>
      Promise.all(Array.from({ length: 8 }, () => store.ping())).then(
        () => true,
        () => false,
      ),
    )

  const refusedInTime = async (store: Store): Promise<void> => {
    const spec = jobSpec()
    const hold = { owner: 'owner', key: createId('key'), subjectId: spec.id }
    const calls: (() => Promise<unknown>)[] = [
      ...Array.from({ length: 10 }, () => () => store.insertAccepted([jobSpec()])),
      () => store.insertAccepted([spec], hold),
      () => store.getJob(spec.id, 'owner'),
      () => store.claimIdempotencyKey({ ...hold, bodyHash: 'h', leaseMs: 1, keepMs: 1 }),
      () => store.listModels(),
      () => store.ping(),
    ]
    const startedAt = performance.now()
    for (const outcome of await Promise.allSettled(calls.map((call) => call()))) {
      expect(outcome).toEqual({ status: 'rejected', reason: unavailable })
    }
    expect(performance.now() - startedAt).toBeLessThan(patienceMs)
  }
  const worksAgain = async (store: Store): Promise<void> => {
    const spec = jobSpec()
    await until(() =>
      store.insertAccepted([spec]).then(
        () => true,
        () => false,
      ),
    )
    expect(await store.getJob(spec.id, 'owner')).toMatchObject({ kind: 'found' })
    await useMany(store)
  }

  it('is stopped where it is refuses in time, again and again, and goes on when it does', async () => {
    const store = await connect()
    await server.pause()
    try {
      await refusedInTime(store)
      await refusedInTime(store)
    } finally {
      await server.resume()
    }
    await worksAgain(store)
  })

  it('is behind a network that swallows everything refuses in time, and goes on over new connections', async () => {
    const store = await connect()
    proxy.blackhole()
    await refusedInTime(store)
    await refusedInTime(store)
    proxy.pass()
    await worksAgain(store)
  })

  it('is slow beyond what a client waits refuses in time, and keeps recording outcomes', async () => {
    const store = await connect()
    const spec = jobSpec({ mode: 'interactive' })
    // Each way.
    proxy.delay(answerWithinMs * 0.7)
    await refusedInTime(store)
    expect((await store.commitOutcomes([endOf(spec)])).ended).toHaveLength(1)
    proxy.pass()
    await worksAgain(store)
  })

  it('has cut all idle connections is asked over a new one, and nobody notices', async () => {
    const store = await connect()
    for (let round = 0; round < 5; round++) {
      proxy.reset()
      await store.insertAccepted([jobSpec()])
      await useMany(store)
    }
  })

  it('is not reached refuses at once', async () => {
    const store = await connect()
    proxy.refuse()
    proxy.reset()
    await refusedInTime(store)
    proxy.pass()
    await worksAgain(store)
  })

  // PGlite has no second session that could hold a lock.
  it.skipIf(name === 'PGlite')(
    'does late what it was given up for makes nothing of a key that was taken over',
    async () => {
      const store = await connect()
      const late = jobSpec()
      const key = { owner: 'owner', key: createId('key') }
      await store.claimIdempotencyKey({ ...key, subjectId: late.id, bodyHash: 'h', leaseMs: 0, keepMs: 60_000 })
      const admin = new pg.Client({ connectionString: server.url })
      await admin.connect()
      onTestFinished(() => admin.end())
      await admin.query('begin')
      await admin.query('lock table jobs in share mode')
      await expect(store.insertAccepted([late], { ...key, subjectId: late.id })).rejects.toEqual(unavailable)
      const next = jobSpec()
      const move = { ...key, from: late.id, to: next.id, leaseMs: 0, unlessMade: true }
      expect(await store.reclaimIdempotencyKey(move)).toBe(true)
      const waitsForLock = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
      expect((await admin.query(waitsForLock)).rowCount).toBe(1)
      await admin.query('commit')
      await until(async () => (await admin.query(waitsForLock)).rowCount === 0)
      await store.insertAccepted([next], { ...key, subjectId: next.id })
      expect(await store.getJob(late.id, 'owner')).toEqual({ kind: 'unknown' })
      expect(await store.getJob(next.id, 'owner')).toMatchObject({ kind: 'found' })
    },
  )

  // In PGlite such a setting is the one session's, and there is nothing to fail over to.
  it.skipIf(name === 'PGlite')(
    'became a standby refuses, and writes over a new connection to its successor at once',
    async () => {
      const admin = new pg.Client({ connectionString: server.url })
      await admin.connect()
      onTestFinished(async () => {
        await admin.query('alter role postgres reset default_transaction_read_only')
        await admin.end()
      })
      // New connections get it, those that are there keep what they have.
      await admin.query('alter role postgres set default_transaction_read_only = on')
      const store = await connect()
      await expect(store.insertAccepted([jobSpec()])).rejects.toEqual(unavailable)
      await useMany(store)
      // The successor: what is connected still leads to the standby, eight times.
      await admin.query('set default_transaction_read_only = off')
      await admin.query('alter role postgres reset default_transaction_read_only')
      await store.insertAccepted([jobSpec()])
      await Promise.all(Array.from({ length: 8 }, () => store.commitOutcomes([endOf(jobSpec())])))
    },
  )
})
