import { createId, createSilentLog } from '@inferq/runtime'
import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  type ConsumeOptions,
  createJobConsumer,
  createJobQueue,
  type JobConsumer,
  type JobQueue,
} from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

const modelClass = 'gpu'
const log = createSilentLog()
const placing = createTestPlacing()
let server: TestRedis
let queue: JobQueue
let consumers: JobConsumer[]
/** Ends what runs. */
let over: PromiseWithResolvers<void>

beforeEach(async () => {
  server = createTestRedis()
  consumers = []
  over = Promise.withResolvers()
  queue = createJobQueue({ redis: await server.connect(), keys: server.keys, placing, log })
})
afterEach(async () => {
  over.resolve()
  await Promise.all(consumers.map((one) => one.stop({ signal: AbortSignal.timeout(5_000), timeoutMs: 5_000 })))
  await queue.close()
  await server.close()
})

async function consume(concurrency: number, process: ConsumeOptions['process']): Promise<JobConsumer> {
  const consumer = createJobConsumer({
    ...{ class: modelClass, concurrency, lockMs: 10_000, stalledMs: 100, keys: server.keys, placing, log, process },
    redis: await server.connect('blocking'),
    async onAbandoned() {},
  })
  consumers.push(consumer)
  await consumer.start()
  return consumer
}

async function enqueue(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const jobId = createId('job')
    await queue.enqueue({ jobId, hop: 0, type: 'completion', class: modelClass, tier: 'default', share })
  }
}

const forLong = async (): Promise<{ kind: 'done' }> => {
  await over.promise
  return { kind: 'done' }
}

it('takes nothing while nothing may run, lets others, and fetches when it may again', async () => {
  let held = 0
  const consumer = await consume(12, async () => {
    held++
    return { kind: 'done' }
  })
  consumer.resize(0)
  let others = 0
  const other = await consume(1, async () => {
    others++
    return { kind: 'done' }
  })
  await enqueue(10)
  await until(() => others === 10)
  expect(held).toBe(0)

  await other.quiet()
  await enqueue(10)
  consumer.resize(1)
  await until(() => held === 10)
})

it('begins with nothing when that is its limit, also when it is raised and lowered while it starts', async () => {
  const consumer = createJobConsumer({
    ...{ class: modelClass, concurrency: 0, lockMs: 10_000, stalledMs: 100, keys: server.keys, placing, log },
    redis: await server.connect('blocking'),
    process: forLong,
    async onAbandoned() {},
  })
  consumers.push(consumer)
  const started = consumer.start()
  consumer.resize(20)
  consumer.resize(0)
  await started
  await enqueue(3)
  let others = 0
  const other = await consume(1, async () => {
    others++
    return { kind: 'done' }
  })
  await until(() => others === 3)
  expect(consumer.inFlight).toBe(0)
  await other.quiet()
  await enqueue(3)
  consumer.resize(20)
  await until(() => consumer.inFlight === 3)
})

it('lets what runs go on when nothing new may', async () => {
  const consumer = await consume(4, forLong)
  await enqueue(4)
  await until(() => consumer.inFlight === 4)
  consumer.resize(0)
  await enqueue(1)
  expect(consumer.inFlight).toBe(4)
  over.resolve()
  await until(() => consumer.inFlight === 0)
  await until(async () => {
    const { active, waiting, delayed } = await queue.depth(modelClass)
    return active === 0 && waiting + delayed === 1
  })
})

it.each([
  [1, 4],
  [8, 20],
])('fills the room it gets while all of its %i jobs still run, up to %i', async (few, more) => {
  const consumer = await consume(few, forLong)
  await enqueue(more + 2)
  await until(() => consumer.inFlight === few)
  consumer.resize(more)
  await until(() => consumer.inFlight === more)
  consumer.resize(few)
  expect((await queue.depth(modelClass)).waiting).toBe(2)
})

it('finds jobs of lost workers also while it takes none', async () => {
  const lost = await consume(1, forLong)
  await enqueue(1)
  await until(() => lost.inFlight === 1)
  // It looks for none itself any more, and its lock is gone.
  await lost.quiet()
  const redis = await server.connect()
  const [lock = ''] = await redis.keys(`${server.keys.namespace}*:lock`)
  await redis.del(lock)
  const held = await consume(0, forLong)
  await until(async () => (await queue.depth(modelClass)).waiting === 1)
  expect(held.inFlight).toBe(0)
  held.resize(1)
  await until(() => held.inFlight === 1)
})
