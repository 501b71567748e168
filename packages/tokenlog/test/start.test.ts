import { until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startedHere } from '../src/index.ts'
import { type Bench, createBench, createSpec, ids } from './support.ts'

let bench: Bench
/** What the workers that listen were told. */
let told: string[]

beforeEach(async () => {
  bench = await createBench()
  told = []
})
afterEach(async () => {
  await bench.server.close()
})

const place = (isParticular = false) => {
  const { keys } = bench.server
  const line = ['line:list', 'line:set'].map((name) => `${keys.namespace}:${name}`) as unknown as [string, string]
  const workers = { channels: keys.starts(''), alive: keys.alive('') }
  return { slots: keys.slots('first'), leases: keys.leases('first'), line, ...workers, head: '{"at":7}', isParticular }
}

const interactive = () => createSpec({ mode: 'interactive', keepResult: false })
const slotsOf = async (worker: string) => bench.redis.zscore(bench.server.keys.slots('first'), worker)

async function offer(worker: string, count: number, how: { listens?: boolean; isAlive?: boolean } = {}): Promise<void> {
  const { keys } = bench.server
  if (how.listens !== false) {
    const subscriber = await bench.server.connect('subscriber')
    subscriber.on('message', (_, text) => told.push(`${worker} ${text}`))
    await subscriber.subscribe(keys.starts(worker))
  }
  if (how.isAlive !== false) await bench.redis.set(keys.alive(worker), 6_000)
  await bench.redis.zadd(keys.slots('first'), count, worker)
}

it('starts a job at the worker that offers most, which is told all it needs', async () => {
  const { tokenLog, server, redis } = bench
  await offer('few', 1)
  await offer('many "w"', 3)
  const spec = interactive()
  const before = Date.now()
  expect(await tokenLog.start(spec, 'ing_1', place())).toBe(true)
  await until(() => told.length > 0)
  expect(told).toEqual([`many "w" {"at":7}\n${JSON.stringify(spec)}`])
  expect([await slotsOf('few'), await slotsOf('many "w"')]).toEqual(['1', '2'])
  const record = await tokenLog.record(spec.id)
  expect(record).toMatchObject({
    ...{ status: 'in_progress', hop: 0, attempt: 1, tries: 1 },
    attempts: [{ attempt: 1, hop: 0, class: 'first', worker: 'many "w"', startedAt: spec.createdAt }],
  })
  const lease = Number(await redis.zscore(server.keys.leases('first'), spec.id))
  expect(lease - before).toBeGreaterThan(3_000)
  expect(lease - before).toBeLessThan(60_000)

  const begun = startedHere(spec)
  const writer = tokenLog.writer(spec.id, begun.attempt)
  writer.text('Hello')
  await writer.flush()
  const attempt = { attempt: 1, hop: 0, class: 'first', worker: 'many "w"', startedAt: before }
  expect(await tokenLog.finish(begun.record, attempt, 'completed', { at: Date.now() })).toBe('ended')
  expect(ids(await tokenLog.read(spec.id, null))).toEqual(['1-0 s', '1-1 t', '1-2 C'])
})

it('tells the worker of a long job where to find it, and no more', async () => {
  const { tokenLog } = bench
  await offer('w', 1)
  const spec = createSpec({ mode: 'interactive', request: { model: 'm', prompt: 'long '.repeat(5_000) } })
  expect(await tokenLog.start(spec, 'ing_1', place())).toBe(true)
  await until(() => told.length > 0)
  expect(told).toEqual(['w {"at":7}\n'])
  expect((await tokenLog.record(spec.id))?.spec).toEqual(spec)
})

it('queues a job when nobody offers a slot, or those in line need them', async () => {
  const { tokenLog, redis } = bench
  const alone = interactive()
  expect(await tokenLog.start(alone, 'ing_1', place())).toBe(false)
  expect(await tokenLog.record(alone.id)).toMatchObject({ status: 'queued', attempt: 0, tries: 0, attempts: [] })

  await offer('w', 2)
  const [list, set] = place().line
  await redis.rpush(list, 'a')
  const behindOne = interactive()
  expect(await tokenLog.start(behindOne, 'ing_1', place())).toBe(true)
  await offer('w', 2)
  await redis.zadd(set, 1, 'b')
  const behindTwo = interactive()
  expect(await tokenLog.start(behindTwo, 'ing_1', place())).toBe(false)
  expect(await slotsOf('w')).toBe('2')
  expect(await tokenLog.begin(behindTwo.id, { hop: 0, class: 'first', worker: 'w', maxTries: 3 })).toMatchObject({
    kind: 'begun',
    attempt: 1,
  })
})

it('gives nothing to a worker that does not listen or says nothing, and takes its offer away', async () => {
  const { tokenLog } = bench
  await offer('killed', 9, { listens: false })
  await offer('frozen', 8, { isAlive: false })
  await offer('well', 1)
  expect(await tokenLog.start(interactive(), 'ing_1', place())).toBe(true)
  await until(() => told.length > 0)
  expect(told[0]).toMatch(/^well /)
  expect([await slotsOf('killed'), await slotsOf('frozen'), await slotsOf('well')]).toEqual([null, null, '0'])
  expect(await tokenLog.start(interactive(), 'ing_1', place())).toBe(false)
})

it('starts a job once, however often it is sent', async () => {
  const { tokenLog } = bench
  await offer('w', 2)
  const spec = interactive()
  expect([await tokenLog.start(spec, 'ing_1', place()), await tokenLog.start(spec, 'ing_1', place())]).toEqual([
    true,
    true,
  ])
  expect(await slotsOf('w')).toBe('1')
  const queued = interactive()
  await tokenLog.open(queued, 'ing_1')
  expect(await tokenLog.start(queued, 'ing_1', place())).toBe(false)
})

it('leaves a job that seeks a certain worker to the queue, where there are several', async () => {
  const { tokenLog } = bench
  await offer('one', 1)
  expect(await tokenLog.start(interactive(), 'ing_1', place(true))).toBe(true)
  await offer('two', 1)
  await offer('one', 1)
  expect(await tokenLog.start(interactive(), 'ing_1', place(true))).toBe(false)
})
