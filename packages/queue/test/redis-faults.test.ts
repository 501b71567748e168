import { createId, createManualClock, createRedis, createSilentLog, type Log, type Redis } from '@inferq/runtime'
import { type OwnRedis, startOwnRedis, until } from '@inferq/testkit'
import { startTcpProxy } from '@inferq/testkit/tcp-proxy'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  createJobConsumer,
  createJobQueue,
  type JobConsumer,
  type JobConsumerOptions,
  type JobQueue,
} from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

const placing = createTestPlacing()

let server: OwnRedis
let queue: JobQueue
const deadline = { signal: new AbortController().signal, timeoutMs: 10_000 }

beforeAll(async () => {
  server = await startOwnRedis()
  queue = createJobQueue({ redis: await server.connect(), keys: server.keys, placing, log: createSilentLog() })
})
afterAll(async () => {
  await queue.close()
  await server.close()
})

/** A log that is counted. */
function countingLog() {
  const events: string[] = []
  const note = (_: object, event: string): void => void events.push(event)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  return { log, countOf: (event: string) => events.filter((one) => one === event).length }
}

async function consume(options: Partial<JobConsumerOptions> & Pick<JobConsumerOptions, 'class' | 'process'>) {
  const consumer = createJobConsumer({
    ...{ concurrency: 1, lockMs: 10_000, stalledMs: 5_000, keys: server.keys, placing, log: createSilentLog() },
    redis: options.redis ?? (await server.connect('blocking')),
    async onAbandoned() {},
    ...options,
  })
  onTestFinished(() => stop(consumer))
  await consumer.start()
  return consumer
}

async function stop(consumer: JobConsumer): Promise<void> {
  await consumer.stop(deadline)
}

function enqueue(modelClass: string): Promise<void> {
  return queue.enqueue({
    jobId: createId('job'),
    hop: 0,
    type: 'completion',
    class: modelClass,
    tier: 'default',
    share,
  })
}

describe('a wedged consumer', () => {
  it('is made anew while its running job goes on', async () => {
    // The connection on which it waits for work leads into a black hole, and stays there; the next one does not.
    const proxy = await startTcpProxy({ path: new URL(server.url).pathname })
    onTestFinished(() => proxy.stop())
    const redis = await server.connect('blocking')
    const direct = redis.duplicate.bind(redis)
    let duplicates = 0
    redis.duplicate = (overrides): Redis => {
      if (duplicates++ > 0) return direct(overrides)
      return createRedis({ url: `redis://127.0.0.1:${proxy.port}`, role: 'blocking', log: createSilentLog() })
    }

    const lockMs = 4_000
    const started: AbortSignal[] = []
    const gate = Promise.withResolvers<void>()
    const { log, countOf } = countingLog()
    let recreated = 0
    const consumer = await consume({
      ...{ class: 'wedged', concurrency: 2, lockMs, stalledMs: 500, redis, log },
      watch: { everyMs: 100, stuckMs: 300 },
      async process(_, signal) {
        started.push(signal)
        if (started.length === 1) await gate.promise
        return { kind: 'done' }
      },
      onRecreated: () => void recreated++,
    })
    await enqueue('wedged')
    await until(() => started.length === 1)
    proxy.blackhole()
    // It may have been awake when the hole opened: then it takes one more before it waits.
    await enqueue('wedged')
    await until(async () => started.length > 1 || recreated > 0)
    await enqueue('wedged')
    await until(() => started.length === 3)
    expect(recreated).toBe(1)
    expect(countOf('consumer-recreated')).toBe(1)

    const since = performance.now()
    await until(() => performance.now() - since > 1.2 * lockMs)
    expect(started[0]?.aborted).toBe(false)
    expect(started).toHaveLength(3)
    gate.resolve()
    await until(() => consumer.inFlight === 0)
    await until(async () => (await queue.depth('wedged')).active === 0)
    expect(recreated).toBe(1)
  })

  it('is not suspected while it has nothing to do, or no room', async () => {
    let recreated = 0
    const gate = Promise.withResolvers<void>()
    const clock = createManualClock()
    const redis = await server.connect('blocking')
    const options = { redis, clock, watch: { everyMs: 50, stuckMs: 100 }, onRecreated: () => void recreated++ }
    await consume({ ...options, class: 'idle', process: async () => ({ kind: 'done' }) })
    const full = await consume({
      ...{ ...options, class: 'full' },
      async process() {
        await gate.promise
        return { kind: 'done' }
      },
    })
    for (let i = 0; i < 3; i++) await enqueue('full')
    await until(() => full.inFlight === 1)
    const looks = async (): Promise<number> =>
      Number(/^cmdstat_llen:calls=(\d+)/m.exec(await redis.info('commandstats'))?.[1] ?? 0)
    const before = await looks()
    for (let turns = 0; turns < 40; turns++) {
      await clock.advance(50)
      // Whatever the looks have asked for has been answered before this is.
      await redis.ping()
    }
    expect((await looks()) - before).toBeGreaterThan(30)
    gate.resolve()
    await until(async () => (await queue.depth('full')).active + (await queue.depth('full')).waiting === 0)
    expect(recreated).toBe(0)
  })
})

describe('a consumer whose Redis', () => {
  it('has no memory asks slowly, says so seldom, and goes on when there is some', async () => {
    let done = 0
    await enqueue('oom')
    await server.fill()
    const { log, countOf } = countingLog()
    await consume({
      ...{ class: 'oom', log },
      async process() {
        done++
        return { kind: 'done' }
      },
    })
    const redis = await server.connect()
    const refusals = async (): Promise<number> =>
      Number(/^errorstat_OOM:count=(\d+)/m.exec(await redis.info('errorstats'))?.[1] ?? 0)
    await until(async () => (await refusals()) > 0)
    const before = await refusals()
    const since = performance.now()
    await until(() => performance.now() - since > 1_500)
    expect((await refusals()) - before).toBeLessThan(30)
    expect(countOf('consumer-error')).toBe(1)
    await server.drain()
    await until(() => done === 1)
  })

  it('was wiped drops what it held without a word, and serves on', async () => {
    const { log, countOf } = countingLog()
    const ended: boolean[] = []
    const gate = Promise.withResolvers<void>()
    const consumer = await consume({
      ...{ class: 'wiped', concurrency: 2, lockMs: 1_000, stalledMs: 300, log },
      async process(_, signal) {
        if (ended.length === 0)
          await Promise.race([gate.promise, new Promise((r) => signal.addEventListener('abort', r))])
        ended.push(signal.aborted)
        return { kind: 'done' }
      },
    })
    await enqueue('wiped')
    await until(() => consumer.inFlight === 1)
    await server.wipe()
    // Its lock is not there to be renewed: it is told.
    await until(() => ended.length === 1)
    expect(ended).toEqual([true])
    await enqueue('wiped')
    await until(() => ended.length === 2)
    expect(ended).toEqual([true, false])
    expect(countOf('job-processing-failed') + countOf('abandoned-job-not-ended')).toBe(0)
    // The cut of its connections may be told, once.
    expect(countOf('consumer-error')).toBeLessThanOrEqual(1)
  })
})
