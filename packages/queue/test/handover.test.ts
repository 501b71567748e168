import { createId, createSilentLog, createSystemClock } from '@inferq/runtime'
import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createHandover,
  createJobConsumer,
  createJobQueue,
  type Handover,
  type JobConsumer,
  type JobQueue,
  LostLockError,
  type ProcessResult,
} from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

const modelClass = 'gpu'
const log = createSilentLog()
const clock = createSystemClock()
const placing = createTestPlacing()
const deadline = (): { signal: AbortSignal; timeoutMs: number } => ({
  signal: AbortSignal.timeout(5_000),
  timeoutMs: 5_000,
})
let server: TestRedis
let queue: JobQueue
let workers: TestWorker[]

interface Run {
  readonly jobId: string
  readonly worker: string
  readonly signal: AbortSignal
  end(result?: ProcessResult): void
}

interface TestWorker {
  readonly consumer: JobConsumer
  readonly handover: Handover
  readonly replies: string[]
  stop(): Promise<void>
}

/** Every run there was, in order. */
let runs: Run[]
const runsOf = (jobId: string): readonly Run[] => runs.filter((run) => run.jobId === jobId)

beforeEach(async () => {
  server = createTestRedis()
  workers = []
  runs = []
  queue = createJobQueue({ redis: await server.connect(), keys: server.keys, placing, log })
})
afterEach(async () => {
  for (const run of runs) run.end()
  await Promise.all(workers.map((worker) => worker.stop()))
  await queue.close()
  await server.close()
})

interface WorkerSetting {
  readonly concurrency?: number
  readonly spillMs?: number
  readonly lockMs?: number
  preferred?(jobId: string): string | null
  /** Default: it waits for the run's `end`. */
  process?(run: Run): Promise<ProcessResult>
}

async function startWorker(id: string, setting: WorkerSetting = {}): Promise<TestWorker> {
  const redis = await server.connect('blocking')
  const subscriber = await server.connect('subscriber')
  const { concurrency = 1, spillMs = 5_000, lockMs = 10_000 } = setting
  const handover = createHandover({
    ...{ workerId: id, redis, subscriber, keys: server.keys, spillMs: () => spillMs, clock, log },
  })
  await handover.start()
  const replies: string[] = []
  const consumer = createJobConsumer({
    ...{ class: modelClass, concurrency, lockMs, stalledMs: 100, keys: server.keys, placing, log, redis },
    async process({ jobId }, signal) {
      const ended = Promise.withResolvers<ProcessResult>()
      const run: Run = { jobId, worker: id, signal, end: (result = { kind: 'done' }) => ended.resolve(result) }
      runs.push(run)
      return setting.process?.(run) ?? ended.promise
    },
    async onAbandoned() {},
    handover: {
      handover,
      preferred: ({ jobId }) => setting.preferred?.(jobId) ?? null,
      onReply: (_, reply) => void replies.push(reply),
    },
  })
  await consumer.start()
  const worker: TestWorker = {
    consumer,
    handover,
    replies,
    async stop() {
      await consumer.stop(deadline())
      await handover.stop(deadline())
    },
  }
  workers.push(worker)
  return worker
}

async function enqueue(): Promise<string> {
  const jobId = createId('job')
  await queue.enqueue({ jobId, hop: 0, type: 'completion', class: modelClass, tier: 'default', share })
  return jobId
}

const isGone = async (jobId: string): Promise<boolean> =>
  (await (await server.connect()).keys(`${server.keys.namespace}*${jobId}*`)).length === 0

/** Worker `b`, which is busy, and `a`, which prefers it: what is enqueued now is fetched by `a`. */
async function startPair(
  a: WorkerSetting = {},
  b: WorkerSetting = {},
): Promise<readonly [TestWorker, TestWorker, Run]> {
  const second = await startWorker('b', b)
  const busy = await enqueue()
  const run = await until(() => runsOf(busy)[0])
  return [await startWorker('a', { preferred: () => 'b', ...a }), second, run]
}

/** A job that `a` has fetched and `b` runs. */
async function handOver(a: WorkerSetting = {}, b: WorkerSetting = {}) {
  const [first, second, busy] = await startPair(a, b)
  const offers = await listenFor('b')
  const jobId = await enqueue()
  await until(() => offers.length === 1)
  busy.end()
  const run = await until(() => runsOf(jobId)[0])
  expect(run.worker).toBe('b')
  return { a: first, b: second, run }
}

interface Message {
  readonly kind: string
  readonly from: string
  readonly id: string
  readonly bullId: string
  readonly token: string
}

/** What is sent to a worker. */
async function listenFor(workerId: string): Promise<readonly Message[]> {
  const messages: Message[] = []
  const subscriber = await server.connect('subscriber')
  subscriber.on('message', (_, text) => messages.push(JSON.parse(text) as Message))
  await subscriber.subscribe(server.keys.handovers(workerId))
  return messages
}

const lockKeyOf = async (jobId: string): Promise<string> =>
  (await (await server.connect()).keys(`${server.keys.namespace}*:${jobId}-0:lock`))[0] ?? ''

describe('a job that another worker is preferred for', () => {
  it('waits for a place there, runs past the time its lock holds, and is ended there; here its place is free', async () => {
    const lockMs = 5_000
    const { a, b, run } = await handOver({ lockMs }, { lockMs })
    await until(() => a.replies.length === 1)
    expect({ replies: a.replies, here: a.consumer.inFlight, there: b.consumer.runningJobs }).toEqual({
      ...{ replies: ['taken'], here: 0, there: [run.jobId] },
    })
    // `b` is full again, so it is `a` that fetches.
    const other = await enqueue()
    const offers = await listenFor('b')
    await until(async () => (await queue.depth(modelClass)).active === 2)

    const since = performance.now()
    await until(() => run.signal.aborted || performance.now() - since > 1.2 * lockMs)
    expect({ aborted: run.signal.aborted, runs: runsOf(run.jobId).length }).toEqual({ aborted: false, runs: 1 })
    run.end()
    await until(() => isGone(run.jobId))
    await until(() => runsOf(other).length === 1)
    runsOf(other)[0]?.end()
    await until(() => isGone(other))
    expect(offers.filter(({ bullId }) => bullId === `${run.jobId}-0`)).toEqual([])
  })

  it('runs here when there is no place in time, and the place that was kept there is the queue’s again', async () => {
    const [a, b, busy] = await startPair({ spillMs: 50 }, { spillMs: 50 })
    const jobId = await enqueue()
    const run = await until(() => runsOf(jobId)[0])
    expect({ worker: run.worker, taken: a.replies.includes('taken') }).toEqual({ worker: 'a', taken: false })
    busy.end()
    await until(() => b.consumer.inFlight === 0)
    const next = await enqueue()
    expect((await until(() => runsOf(next)[0])).worker).toBe('b')
    for (const one of runs) one.end()
    await until(() => isGone(jobId))
  })

  it('runs here at once when nobody hears the offer', async () => {
    const a = await startWorker('a', { preferred: () => 'nobody', spillMs: 3_600_000 })
    const jobId = await enqueue()
    const run = await until(() => runsOf(jobId)[0])
    expect(a.replies).toEqual(['silent'])
    run.end()
    await until(() => isGone(jobId))
  })

  it('cannot be taken any more once it runs here', async () => {
    const a = await startWorker('a', { preferred: () => 'frozen', spillMs: 50 })
    const offers = await listenFor('frozen')
    const jobId = await enqueue()
    const run = await until(() => runsOf(jobId)[0])
    expect(a.replies).toEqual(['silent'])
    const token = offers[0]?.token ?? ''
    expect(await a.handover.claim(await lockKeyOf(jobId), token, 'late', 10_000)).toBe(false)
    run.end()
    await until(() => isGone(jobId))
    expect(runs).toHaveLength(1)
  })

  it('comes back when the one who took it is lost, and is offered to nobody again', async () => {
    const a = await startWorker('a', { preferred: () => 'doomed', spillMs: 3_600_000 })
    const offers = await listenFor('doomed')
    const jobId = await enqueue()
    const offer = await until(() => offers[0])
    const redis = await server.connect()
    expect(await a.handover.claim(await lockKeyOf(jobId), offer.token, 'doomed', 500)).toBe(true)
    await redis.publish(server.keys.handovers('a'), JSON.stringify({ kind: 'taken', id: offer.id }))
    const run = await until(() => runsOf(jobId)[0])
    expect({ worker: run.worker, offers: offers.length, replies: a.replies }).toEqual({
      ...{ worker: 'a', offers: 1, replies: ['taken'] },
    })
    run.end()
    await until(() => isGone(jobId))
  })

  it('can be stopped where it runs, and goes back from there as any other', async () => {
    const { a, b, run } = await handOver()
    const reason = new Error('cancelled')
    expect([a.consumer.abort(run.jobId, reason), b.consumer.abort(run.jobId, reason)]).toEqual([false, true])
    expect(run.signal.reason).toBe(reason)
    run.end({ kind: 'again', delayMs: 0 })
    const second = await until(() => runsOf(run.jobId)[1])
    expect(a.replies).toEqual(['taken'])
    second.end()
    await until(() => isGone(run.jobId))
  })

  it('hears where it runs that its lock is lost', async () => {
    const { run } = await handOver({ lockMs: 2_000 }, { lockMs: 2_000 })
    await (await server.connect()).del(await lockKeyOf(run.jobId))
    await until(() => run.signal.aborted)
    expect(run.signal.reason).toBeInstanceOf(LostLockError)
    run.end()
    const again = await until(() => runsOf(run.jobId)[1])
    again.end()
    await until(() => isGone(run.jobId))
  })

  it('is waited for by a worker that stops', async () => {
    const { b, run } = await handOver()
    let stopped = false
    const stop = b.consumer.stop(deadline()).then(() => {
      stopped = true
    })
    await (await server.connect()).ping()
    expect(stopped).toBe(false)
    run.end()
    await stop
    expect(await isGone(run.jobId)).toBe(true)
  })
})

it('workers that hand over to each other run every job once, and none more at once than it may', async () => {
  const limits: Readonly<Record<string, number>> = { a: 1, b: 2, c: 9 }
  const ids = Object.keys(limits)
  const now = new Map<string, number>()
  let tooMany = 0
  let isOver = false
  let over = Promise.withResolvers<void>()
  over.resolve()
  let count = 0
  for (const id of ids) {
    const others = ids.filter((other) => other !== id)
    await startWorker(id, {
      concurrency: limits[id] ?? 0,
      // Nobody ever gives up: workers that waited for each other would do so for good.
      spillMs: 3_600_000,
      preferred: () => (isOver || count++ % 3 === 0 ? null : (others[count % 2] ?? null)),
      async process({ worker }) {
        const running = (now.get(worker) ?? 0) + 1
        now.set(worker, running)
        if (running > (limits[worker] ?? 0)) tooMany++
        await over.promise
        await clock.sleep(2)
        now.set(worker, (now.get(worker) ?? 0) - 1)
        return { kind: 'done' }
      },
    })
  }
  const jobs = await Promise.all(Array.from({ length: 300 }, enqueue))
  await until(() => jobs.every((jobId) => runsOf(jobId).length > 0))
  await until(async () => (await queue.depth(modelClass)).active === 0)
  expect({ runs: runs.length, tooMany }).toEqual({ runs: jobs.length, tooMany: 0 })
  const replies = workers.flatMap((worker) => worker.replies)
  expect(replies).toContain('taken')
  // All of them still fetch.
  runs = []
  isOver = true
  over = Promise.withResolvers()
  await Promise.all(Array.from({ length: 12 }, enqueue))
  await until(() => runs.length === 12)
  over.resolve()
})
