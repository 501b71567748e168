import { createSilentLog, createSystemClock, type Redis } from '@inferq/runtime'
import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createShares, type Demand, lastPlace, placeOf, type Shares } from '../src/index.ts'

const demand = (tenant: string, more: Partial<Demand> = {}): Demand => ({
  ...{ tenant, tier: 'priority', weight: 1, tokens: 1_600 },
  ...more,
})
const clock = createSystemClock()

let server: TestRedis
let redis: Redis
const started: Shares[] = []

async function createProcess(): Promise<Shares> {
  const shares = createShares({
    redis: await server.connect(),
    keys: server.keys,
    clock,
    log: createSilentLog(),
    everyMs: 5,
  })
  await shares.start()
  started.push(shares)
  return shares
}

beforeEach(async () => {
  server = createTestRedis()
  redis = await server.connect()
})
afterEach(async () => {
  for (const shares of started.splice(0)) await shares.stop({ timeoutMs: 1_000, signal: AbortSignal.timeout(1_000) })
  await server.close()
})

const field = async (name: string) => Number(await redis.hget(server.keys.shares('gpu'), name))

describe('processes', () => {
  it('charge a tenant together', async () => {
    const [a, b] = await Promise.all([createProcess(), createProcess()])
    for (let i = 0; i < 10; i++) {
      a.place('gpu', demand('many'))
      b.place('gpu', demand('many'))
    }
    await until(async () => (await field('f:priority:many')) === 20 * 1_600)
    // Its next job stands behind all twenty, wherever it comes in.
    await until(() => a.place('gpu', demand('many', { tokens: 0 })).at >= 20 * 1_600)
  })

  it('charge a tenant nothing for what left before it was taken, wherever that is heard', async () => {
    const [a, b] = await Promise.all([createProcess(), createProcess()])
    const placed = demand('many')
    for (let i = 0; i < 10; i++) a.place('gpu', placed)
    await until(async () => (await field('f:priority:many')) === 10 * 1_600)
    for (let i = 0; i < 7; i++) (i < 2 ? a : b).left('gpu', placed)
    // But for a token each: nothing is taken for less.
    await until(async () => (await field('f:priority:many')) === 3 * 1_600 + 7)
    await until(() => b.place('gpu', demand('many', { tokens: 0 })).at < 4 * 1_600)
    expect(b.meanSeconds('gpu')).toBeNull()
  })

  it('know what a tenant has had before they place its first job themselves', async () => {
    const a = await createProcess()
    a.started('gpu', 'priority', 50_000)
    for (let i = 0; i < 100; i++) a.place('gpu', demand('many'))
    await until(async () => (await field('f:priority:many')) === 50_000 + 100 * 1_600)
    const fresh = await createProcess()
    await fresh.ready('gpu')
    expect(fresh.ready('gpu')).toBeUndefined()
    // Its flood stands behind that which came in elsewhere; somebody new stands at the clock, not before it.
    expect(fresh.place('gpu', demand('many')).at).toBe(50_000 + 100 * 1_600)
    expect(fresh.place('gpu', demand('new')).at).toBe(50_000)
  })

  it('hear what others have done, and when Redis has lost it go on with what they know', async () => {
    const [a, b] = await Promise.all([createProcess(), createProcess()])
    await Promise.all([a.ready('gpu'), b.ready('gpu')])
    for (let i = 0; i < 100; i++) a.place('gpu', demand('many'))
    await until(async () => (await field('f:priority:many')) === 100 * 1_600)
    b.started('gpu', 'priority', 10)
    await until(async () => (await field('clock')) === 10)
    await until(() => b.place('gpu', demand('many', { tokens: 0 })).at >= 100 * 1_600)

    await redis.del(server.keys.shares('gpu'), server.keys.sharesChanged('gpu'))
    a.place('gpu', demand('other', { tokens: 3_200 }))
    await until(async () => (await field('f:priority:other')) > 0)
    b.started('gpu', 'priority', 20)
    await until(() => b.place('gpu', demand('other', { tokens: 0 })).at >= 3_200)
  })

  it('share the clock: what one has started is now for all', async () => {
    const [a, b] = await Promise.all([createProcess(), createProcess()])
    a.place('gpu', demand('x'))
    b.started('gpu', 'priority', 5_000)
    await until(() => a.place('gpu', demand('new', { tokens: 0 })).at >= 5_000)
  })

  it('forget a tenant that the clock has passed', async () => {
    const shares = await createProcess()
    shares.place('gpu', demand('gone'))
    await until(async () => (await field('f:priority:gone')) === 1_600)
    const other = await createProcess()
    other.started('gpu', 'priority', 2_000)
    await until(async () => (await redis.hexists(server.keys.shares('gpu'), 'f:priority:gone')) === 0)
  })

  it('know how long a job holds its slot', async () => {
    const [a, b] = await Promise.all([createProcess(), createProcess()])
    expect(b.meanSeconds('gpu')).toBeNull()
    a.ended('gpu', demand('x'), { tokens: 1_600, seconds: 2 })
    a.ended('gpu', demand('x'), { tokens: 1_600, seconds: 4 })
    await until(() => b.meanSeconds('gpu') === 3)
  })

  it('correct what was charged, without credit for who is not ahead', async () => {
    const shares = await createProcess()
    shares.place('gpu', demand('x'))
    shares.ended('gpu', demand('x'), { tokens: 600, seconds: 1 })
    shares.ended('gpu', demand('idle'), { tokens: 100, seconds: 1 })
    await until(async () => (await field('f:priority:x')) === 600)
    expect(await redis.hexists(server.keys.shares('gpu'), 'f:priority:idle')).toBe(0)
  })
})

describe('numbers', () => {
  it('begin again when the clock has used half of them, once for all processes', async () => {
    const [a, b] = await Promise.all([createProcess(), createProcess()])
    a.started('gpu', 'priority', 1e8)
    await until(async () => (await field('clock')) === 1e8)
    const [first, second] = await Promise.all([a.rebase('gpu'), b.rebase('gpu')])
    expect([first, second]).toEqual([1e8, 1e8])
    await until(() => b.place('gpu', demand('x')).place === 1)
    expect(await a.rebase('gpu')).toBe(1e8)
  })

  it('stay in their range and in their order', () => {
    expect(placeOf(0, 0)).toBe(1)
    expect(placeOf(-5, 0)).toBe(1)
    expect(placeOf(1e12, 0)).toBe(lastPlace)
    const places = [0, 100, 10_000, 200_000].map((at) => placeOf(1_600_000 + at, 1_600_000))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(new Set(places).size).toBe(4)
  })
})
