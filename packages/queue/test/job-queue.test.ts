import { createId, createSilentLog } from '@inferq/runtime'
import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ConsumeOptions,
  createCancelBroadcast,
  createCancelListener,
  createJobConsumer,
  createJobQueue,
  createWorkerRegistry,
  type JobConsumer,
  type JobQueue,
  type JobReference,
  LostLockError,
} from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

let server: TestRedis
let queue: JobQueue
let consumers: JobConsumer[]
let placing: ReturnType<typeof createTestPlacing>
const deadline = { signal: new AbortController().signal, timeoutMs: 5_000 }
const log = createSilentLog()

beforeEach(async () => {
  server = createTestRedis()
  consumers = []
  placing = createTestPlacing()
  queue = createJobQueue({ redis: await server.connect(), keys: server.keys, placing, log })
})
afterEach(async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop(deadline)))
  await queue.close()
  await server.close()
})

function reference(overrides: Partial<JobReference> = {}): JobReference {
  return {
    jobId: createId('job'),
    hop: 0,
    type: 'completion',
    class: 'llama3.1:8b',
    tier: 'default',
    share,
    ...overrides,
  }
}

async function consume(process: ConsumeOptions['process'], overrides: Partial<ConsumeOptions> = {}) {
  const consumer = createJobConsumer({
    class: 'llama3.1:8b',
    concurrency: 1,
    lockMs: 10_000,
    stalledMs: 5_000,
    process,
    onAbandoned: async () => {},
    redis: await server.connect('blocking'),
    keys: server.keys,
    placing,
    log,
    ...overrides,
  })
  consumers.push(consumer)
  await consumer.start()
  return consumer
}

describe('the line', () => {
  it('is by tier, then by arrival, and everyone knows their place', async () => {
    const flex = reference({ tier: 'flex' })
    const early = reference()
    const late = reference()
    const priority = reference({ tier: 'priority' })
    for (const job of [flex, early, late, priority]) await queue.enqueue(job)
    const places = await Promise.all([priority, early, late, flex].map((job) => queue.position(job)))
    expect(places).toEqual([1, 2, 3, 4])
    expect(await queue.depth('llama3.1:8b')).toMatchObject({ waiting: 4, active: 0 })

    const taken: string[] = []
    await consume(async (job) => {
      taken.push(job.jobId)
      return { kind: 'done' }
    })
    await until(() => taken.length === 4)
    expect(taken).toEqual([priority, early, late, flex].map((job) => job.jobId))
    await until(async () => (await queue.depth('llama3.1:8b')).active === 0)
    expect(await queue.position(priority)).toBeNull()
  })

  it('knows since when the oldest of those who wait has waited, whatever its tier', async () => {
    const oldestAt = () => queue.oldestAt('llama3.1:8b')
    expect(await oldestAt()).toBeNull()
    await queue.enqueue(reference(), 60_000)
    expect(await oldestAt()).toBeNull()
    const before = Date.now()
    const [oldest, younger] = [reference({ tier: 'flex' }), reference({ tier: 'priority' })]
    await queue.enqueue(oldest)
    const since = await oldestAt()
    expect(since).toBeGreaterThanOrEqual(before)
    await until(() => Date.now() > (since ?? 0))
    await queue.enqueue(younger)
    expect(await oldestAt()).toBe(since)
    await queue.remove(oldest)
    expect(await oldestAt()).toBeGreaterThan(since ?? 0)
    await queue.remove(younger)
    expect(await oldestAt()).toBeNull()
  })

  it('stays as it is when the class is numbered anew, and who comes later stands where it belongs', async () => {
    const waiting = [reference(), reference({ tier: 'flex' }), reference({ tier: 'flex' })]
    const delayed = reference()
    for (const job of waiting) await queue.enqueue(job)
    await queue.enqueue(delayed, 60_000)
    placing.base = 900
    const renumber = () => queue.renumber('llama3.1:8b', new AbortController().signal)
    // Two controllers at once.
    const moved = await Promise.all([renumber(), renumber()])
    expect(Math.max(...moved)).toBeGreaterThan(0)
    const late = reference()
    await queue.enqueue(late)
    const [early, ...flex] = waiting
    const line = [early, late, ...flex].map((job) => queue.position(job ?? late))
    expect(await Promise.all(line)).toEqual([1, 2, 3, 4])
    expect(await renumber()).toBe(0)
    const redis = await server.connect()
    const priorities = [early, delayed].map((job) =>
      redis.hget(
        `${server.keys.queuePrefix('llama3.1:8b')}:${server.keys.queueName('llama3.1:8b')}:${job?.jobId}-0`,
        'priority',
      ),
    )
    expect(await Promise.all(priorities)).toEqual(['101', '101'])
  })

  it('has its place for a job that was numbered before and comes back', async () => {
    const back = reference()
    await queue.enqueue(back)
    const taken: string[] = []
    await consume(async ({ jobId }) => {
      taken.push(jobId)
      if (taken.length > 1) return { kind: 'done' }
      placing.base = 1_500
      for (let i = 0; i < 4; i++) await queue.enqueue(reference({ tier: 'flex' }))
      return { kind: 'again', delayMs: 0 }
    })
    await until(() => taken.length === 6)
    // With the number it had before it would be the last.
    expect(taken.at(-1)).not.toBe(back.jobId)
  })

  it('takes what was put there before jobs had places, first of all', async () => {
    const redis = await server.connect()
    const waiting = reference()
    await queue.enqueue(waiting)
    const old = reference()
    await queue.enqueue(old)
    const key = `${server.keys.queuePrefix('llama3.1:8b')}:${server.keys.queueName('llama3.1:8b')}:${old.jobId}-0`
    await redis.hset(key, 'data', JSON.stringify({ tier: 'default' }))
    expect(await queue.renumber('llama3.1:8b', new AbortController().signal)).toBe(1)
    expect(await Promise.all([old, waiting].map((job) => queue.position(job)))).toEqual([1, 2])
    const seen: unknown[] = []
    await consume(async (job) => {
      seen.push(job)
      return { kind: 'done' }
    })
    await until(() => seen.length === 2)
    expect(seen[0]).toMatchObject({ jobId: old.jobId, at: 0, share: { tenant: '', weight: 1, tokens: 0 } })
  })

  it('takes a job once however often it is added while it is there', async () => {
    const job = reference()
    await Promise.all([queue.enqueue(job), queue.enqueue(job), queue.enqueue(job)])
    expect((await queue.depth(job.class)).waiting).toBe(1)
  })

  it('keeps nothing of a job that is done', async () => {
    const redis = await server.connect()
    const job = reference()
    await queue.enqueue(job)
    await consume(async () => ({ kind: 'done' }))
    await until(async () => (await redis.keys(`${server.keys.namespace}*${job.jobId}*`)).length === 0)
  })

  it('can be left while waiting, not while running', async () => {
    const waiting = reference()
    await queue.enqueue(waiting)
    expect(await queue.remove(waiting)).toBe('removed')
    // Once: its tenant is charged nothing for it.
    expect(await queue.remove(waiting)).toBe('absent')
    const gone = { modelClass: waiting.class, tier: waiting.tier, ...waiting.share }
    expect(placing.gone).toEqual([gone])

    const running = reference()
    await queue.enqueue(running)
    const gate = Promise.withResolvers<void>()
    const consumer = await consume(async () => {
      await gate.promise
      return { kind: 'done' }
    })
    await until(() => consumer.inFlight === 1)
    expect(await queue.remove(running)).toBe('active')
    expect(placing.gone).toEqual([gone])
    gate.resolve()
  })
})

describe('a consumer', () => {
  it('gives the processor what was enqueued', async () => {
    const job = reference({ hop: 2, type: 'embedding', tier: 'flex' })
    await queue.enqueue(job)
    const seen: JobReference[] = []
    await consume(async (taken) => {
      seen.push(taken)
      return { kind: 'done' }
    })
    await until(() => seen.length === 1)
    expect(seen[0]).toEqual({ ...job, at: 2_000 })
  })

  it('runs no more jobs at once than it may, and as many as it may', async () => {
    let running = 0
    let most = 0
    let done = 0
    const full = Promise.withResolvers<void>()
    for (let i = 0; i < 60; i++) await queue.enqueue(reference())
    await consume(
      async () => {
        most = Math.max(most, ++running)
        if (running === 20) full.resolve()
        await full.promise
        await new Promise((resolve) => setTimeout(resolve, 10))
        running--
        done++
        return { kind: 'done' }
      },
      { concurrency: 20 },
    )
    await until(() => done === 60)
    expect(most).toBe(20)
  })

  it('puts a job back and has another, idle worker take it', async () => {
    const takers: string[] = []
    const taker = (name: string) => async () => {
      takers.push(name)
      return takers.length === 1 ? ({ kind: 'again', delayMs: 0 } as const) : ({ kind: 'done' } as const)
    }
    const first = await consume(taker('first'))
    await consume(taker('second'))
    await queue.enqueue(reference())
    await until(() => takers.length >= 1)
    await first.quiet()
    await until(() => takers.length === 2)
  })

  it('holds a job back for as long as was asked', async () => {
    const times: number[] = []
    await consume(async () => {
      times.push(performance.now())
      return times.length === 1 ? { kind: 'again', delayMs: 200 } : { kind: 'done' }
    })
    await queue.enqueue(reference())
    await until(() => times.length === 2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(180)
  })

  it('takes nothing once it is quiet, and another one does', async () => {
    let quiet = 0
    let lively = 0
    const first = await consume(async () => {
      quiet++
      return { kind: 'done' }
    })
    await first.quiet()
    await consume(async () => {
      lively++
      return { kind: 'done' }
    })
    for (let i = 0; i < 10; i++) await queue.enqueue(reference())
    await until(() => lively === 10)
    expect(quiet).toBe(0)
  })

  it('redelivers a job whose processor threw', async () => {
    let calls = 0
    await consume(async () => {
      if (++calls === 1) throw new Error('a bug')
      return { kind: 'done' }
    })
    await queue.enqueue(reference())
    await until(() => calls === 2)
  })

  it('gets the job of a worker that was lost, and the lost one is told', async () => {
    const job = reference()
    await queue.enqueue(job)
    const redis = await server.connect()
    const lockMs = 400
    const lost = Promise.withResolvers<unknown>()
    let taken = 0
    const consumer = await consume(
      async (_, signal) => {
        // It may get the job again itself.
        if (signal.aborted || (await redis.incr(`${server.keys.namespace}:deliveries`)) > 1) taken++
        else await new Promise((resolve) => signal.addEventListener('abort', resolve))
        lost.resolve(signal.reason)
        return { kind: 'done' }
      },
      { lockMs, stalledMs: 200 },
    )
    await until(() => consumer.inFlight === 1)
    // As if the worker had been frozen: its lock is gone, and another worker looks for stalled jobs.
    const lock = (await redis.keys(`${server.keys.namespace}*${job.jobId}*:lock`))[0] ?? ''
    await redis.del(lock)
    await consume(
      async () => {
        taken++
        return { kind: 'done' }
      },
      { lockMs, stalledMs: 200 },
    )
    await until(() => taken === 1)
    expect(await lost.promise).toBeInstanceOf(LostLockError)
  })

  it('stops at its deadline although a processor goes on', async () => {
    await queue.enqueue(reference())
    const consumer = await consume(() => new Promise(() => {}))
    await until(() => consumer.inFlight === 1)
    await consumer.stop({ signal: AbortSignal.timeout(100), timeoutMs: 100 })
    consumers = []
  })
})

it('announces a cancellation to every worker', async () => {
  const heard: string[] = []
  const listeners = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const subscriber = await server.connect('subscriber')
      const listener = createCancelListener({ subscriber, keys: server.keys, onCancel: (id) => heard.push(name + id) })
      await listener.start()
      await subscriber.subscribe(server.keys.configChanges())
      return listener
    }),
  )
  // What else the connection hears is nobody's cancellation; Redis keeps the order of one publisher.
  const publisher = await server.connect()
  await publisher.publish(server.keys.configChanges(), 'job_2')
  await createCancelBroadcast({ redis: publisher, keys: server.keys }).announce('job_1')
  await until(() => heard.length === 2)
  expect(heard.sort()).toEqual(['ajob_1', 'bjob_1'])
  await Promise.all(listeners.map((listener) => listener.stop(deadline)))
})

it('lists the workers that beat, and forgets those that do not', async () => {
  const registry = createWorkerRegistry({ redis: await server.connect(), keys: server.keys })
  const worker = {
    id: 'w1',
    host: 'h',
    pid: 1,
    gpu: null,
    classes: ['a'],
    limit: 1,
    inFlight: 0,
    startedAt: 1,
    lastBeatAt: 1,
    state: 'running',
    fingerprint: 'f',
  } as const
  await registry.beat(worker, 60_000)
  await registry.beat({ ...worker, id: 'w2' }, 20)
  await until(async () => (await registry.list()).length === 1)
  expect(await registry.list()).toEqual([worker])
  await registry.leave('w1')
  expect(await registry.list()).toEqual([])
})

it('tells a producer at once that Redis is away', async () => {
  const redis = await server.connect()
  const producer = createJobQueue({ redis, keys: server.keys, placing, log })
  await producer.enqueue(reference())
  redis.disconnect()
  await expect(producer.enqueue(reference())).rejects.toMatchObject({ code: 'service_unavailable' })
})
