import { createSilentLog } from '@inferq/runtime'
import { createTestRedis, until } from '@inferq/testkit'
import { expect, it } from 'vitest'
import { createJobConsumer, createJobQueue, LostLockError } from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

const placing = createTestPlacing()

/** Long enough not to be lost because the machine is busy. */
const lockMs = 3_000
const modelClass = 'gpu'

it('a job that comes back to the worker that lost it waits for its old run to end, and is then run once more', async () => {
  const server = createTestRedis()
  const log = createSilentLog()
  const redis = await server.connect()
  const queue = createJobQueue({ redis, keys: server.keys, placing, log })
  const runs: { readonly signal: AbortSignal; end(): void }[] = []
  let running = 0
  let atOnce = 0
  const consumer = createJobConsumer({
    ...{ class: modelClass, concurrency: 2, lockMs, stalledMs: 100, keys: server.keys, placing, log },
    redis: await server.connect('blocking'),
    async process(_, signal) {
      atOnce = Math.max(atOnce, ++running)
      const ended = Promise.withResolvers<void>()
      runs.push({ signal, end: ended.resolve })
      await ended.promise
      running--
      return { kind: 'done' }
    },
    async onAbandoned() {},
  })
  await consumer.start()
  await queue.enqueue({ jobId: 'job_a', hop: 0, type: 'completion', class: modelClass, tier: 'default', share })
  await until(() => runs.length === 1)

  // As if the process had been frozen: the lock is gone. The look for stalled jobs is its own.
  const keyOf = async (end: string) => (await redis.keys(`${server.keys.namespace}*:${end}`))[0] ?? ''
  await redis.del(await keyOf('job_a-0:lock'))
  await until(() => runs[0]?.signal.aborted)
  expect(runs[0]?.signal.reason).toBeInstanceOf(LostLockError)
  // The old run takes its time.
  await until(async () => runs.length > 1 || (await redis.zcard(await keyOf('delayed'))) > 0)
  runs[0]?.end()
  await until(() => runs.length === 2)

  // A run that outlives the lock: it is renewed, so nobody takes the job again.
  const second = performance.now()
  await until(() => runs.length > 2 || performance.now() - second > 1.5 * lockMs)
  expect(runs[1]?.signal.aborted).toBe(false)
  expect({ runs: runs.length, atOnce }).toEqual({ runs: 2, atOnce: 1 })
  for (const run of runs) run.end()
  await until(async () => (await redis.keys(`${server.keys.namespace}*job_a-0`)).length === 0)
  await consumer.stop({ signal: AbortSignal.timeout(5_000), timeoutMs: 5_000 })
  await queue.close()
  await server.close()
})
