import { createId, createSilentLog } from '@inferq/runtime'
import { type OwnRedis, startOwnRedis, until } from '@inferq/testkit'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogFollower, createTokenLog, type TokenLog } from '../src/index.ts'
import { begin, clock, createSpec, ids, textOf } from './support.ts'

let server: OwnRedis
let redis: Redis
let tokenLog: TokenLog

beforeAll(async () => {
  server = await startOwnRedis()
  // As a worker's: commands wait for Redis.
  redis = await server.connect('blocking')
  tokenLog = createTokenLog({ redis, keys: server.keys, clock })
})
afterAll(async () => {
  await server.close()
})

const end = () => ({ at: Date.now() })

/** How many commands were refused with this error. */
async function refusals(error: string): Promise<number> {
  const count = new RegExp(`^errorstat_${error}:count=(\\d+)`, 'm').exec(await redis.info('errorstats'))?.[1]
  return Number(count ?? 0)
}

describe('a writer whose Redis takes no writes', () => {
  it.each([
    ['for want of memory', 'OOM', () => server.fill(), () => server.drain()],
    ['being a replica now', 'READONLY', () => server.demote(), () => server.promote()],
  ])(
    '%s goes on when it does again: nothing is missing, nothing is twice, nobody is fenced',
    async (_, error, refuse, take) => {
      const spec = createSpec()
      await tokenLog.open(spec)
      const { record, attempt, writer } = await begin(tokenLog, spec.id)
      writer.text('before ')
      await writer.flush()
      await refuse()
      writer.text('in ')
      const flushed = writer.flush()
      writer.text('the ')
      const before = await refusals(error)
      await until(async () => (await refusals(error)) > before + 1)
      writer.text('meantime ')
      await expect(tokenLog.begin(spec.id, { hop: 0, class: 'c', worker: 'w', maxTries: 3 })).rejects.toMatchObject({
        code: 'service_unavailable',
      })
      await take()
      await flushed
      writer.text('after')
      await writer.flush()
      expect(writer.fencedBy).toBeUndefined()
      expect(await tokenLog.finish(record, attempt, 'completed', end())).toBe('ended')
      const entries = await tokenLog.read(spec.id, null)
      expect(textOf(entries ?? [])).toBe('before in the meantime after')
    },
  )

  it('for longer than its patience stops, holds nothing, and says why', async () => {
    const impatient = createTokenLog({ redis, keys: server.keys, clock, patienceMs: 100 })
    const spec = createSpec()
    await impatient.open(spec)
    const { writer } = await begin(impatient, spec.id)
    await server.fill()
    writer.text('never')
    await expect(writer.flush()).rejects.toMatchObject({ code: 'service_unavailable' })
    expect(writer.fencedBy).toMatchObject({ code: 'service_unavailable' })
    await server.drain()
    writer.text('nor this')
    await expect(writer.flush()).rejects.toThrow()
    expect(ids(await impatient.read(spec.id, null))).toEqual(['0-1 q', '1-0 s'])
  })

  it('is not waited for when its attempt is over', async () => {
    const spec = createSpec()
    await tokenLog.open(spec)
    const { writer } = await begin(tokenLog, spec.id)
    await server.fill()
    writer.text('unheard')
    const flushed = writer.flush()
    writer.abandon()
    await flushed
    await server.drain()
    expect(ids(await tokenLog.read(spec.id, null))).toEqual(['0-1 q', '1-0 s'])
  })
})

describe('a job that Redis has lost', () => {
  it('begins again above all positions it had, with a reset, and its old writers stay fenced', async () => {
    const spec = createSpec()
    await tokenLog.open(spec)
    const old = await begin(tokenLog, spec.id)
    old.writer.text('old')
    await old.writer.flush()
    await server.wipe()
    await until(() => redis.status === 'ready')
    old.writer.text('late')
    await expect(old.writer.flush()).rejects.toThrow(/fenced/)

    await tokenLog.open(spec, '', 1)
    const zombie = tokenLog.writer(spec.id, 1)
    const again = await begin(tokenLog, spec.id)
    expect(again).toMatchObject({ shown: false, attempt: { attempt: 1_000_001 } })
    zombie.text('zombie')
    await expect(zombie.flush()).rejects.toThrow(/fenced/)
    expect(await tokenLog.finish(old.record, old.attempt, 'completed', end())).toBe('superseded')
    again.writer.text('new')
    await again.writer.flush()
    const third = await begin(tokenLog, spec.id)
    expect(third.shown).toBe(true)
    await tokenLog.finish(third.record, third.attempt, 'completed', end())
    expect(ids(await tokenLog.read(spec.id, { attempt: 1, seq: 1 }))).toEqual([
      '1000000-1 q',
      '1000000-2 x',
      '1000001-0 s',
      '1000001-1 t',
      '1000002-0 s',
      '1000002-1 x',
      '1000002-2 C',
    ])
    expect((await tokenLog.record(spec.id))?.attempts).toMatchObject([
      { attempt: 1_000_001, outcome: 'lost' },
      { attempt: 1_000_002 },
    ])
  })

  it('is not begun once its time for the first start is over, and is when it began in time', async () => {
    const late = createSpec({ startBy: Date.now() - 1 })
    await tokenLog.open(late, '', 2)
    const start = { hop: 0, class: 'first', worker: 'w', maxTries: 3 }
    expect(await tokenLog.begin(late.id, start)).toMatchObject({ kind: 'refused', why: 'expired' })
    expect(await tokenLog.terminate(late.id, 'expired', end())).toBe('ended')
    expect(ids(await tokenLog.read(late.id, null))).toEqual(['2000000-1 q', '2000000-2 x', '2000001-0 E'])
  })

  it('is read on by whoever reads it, live, from the new log', async () => {
    const follower = createLogFollower({
      ...{ tokenLog, redis, keys: server.keys, clock, watcher: createId('in'), log: createSilentLog(), beatMs: 500 },
      subscriber: await server.connect('subscriber'),
    })
    await follower.start()
    const spec = createSpec()
    await tokenLog.open(spec)
    const seen: string[] = []
    const reading = follower.follow(spec.id, {
      after: null,
      onEntries(entries) {
        seen.push(...ids(entries))
        return true
      },
      // As an ingress does: it asks again until the job is back.
      onLost: () => undefined,
    })
    const old = await begin(tokenLog, spec.id)
    await until(() => seen.length === 2)
    // Wiped and begun again before anybody has looked: no connection was cut.
    await redis.call('FLUSHALL')
    await tokenLog.open(spec, '', 1)
    expect(old.attempt.attempt).toBe(1)
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    await until(() => seen.includes('1000001-0 s'), { timeoutMs: 30_000 })
    // What follows is published to it again.
    await until(async () => (await redis.hget(server.keys.job(spec.id), 'watch')) !== '')
    writer.text('live')
    await until(() => seen.includes('1000001-1 t'))
    await tokenLog.finish(record, attempt, 'completed', end())
    await until(() => seen.at(-1) === '1000001-2 C')
    expect(seen).toEqual(['0-1 q', '1-0 s', '1000000-1 q', '1000000-2 x', '1000001-0 s', '1000001-1 t', '1000001-2 C'])
    reading.close()
    await follower.stop({ signal: AbortSignal.timeout(5_000), timeoutMs: 5_000 })
  })
})
