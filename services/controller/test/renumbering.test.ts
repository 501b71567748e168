import { createJobQueue, referenceTo } from '@inferq/queue'
import { createSilentLog, createSystemClock } from '@inferq/runtime'
import { createShares } from '@inferq/shares'
import { createJobSpec, createTestRedis, until } from '@inferq/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { createRenumbering } from '../src/renumbering.ts'
import { testConfig } from './support.ts'

/** Where half of the numbers are used up. */
const far = 2 ** 24

it('keeps the line as it is when the clock of a class has run through half of its numbers', async () => {
  const server = createTestRedis()
  const redis = await server.connect()
  const { keys } = server
  const parts = { redis, keys, clock: createSystemClock(), log: createSilentLog() }
  const shares = createShares({ ...parts, everyMs: 20 })
  await shares.start()
  const queue = createJobQueue({ ...parts, placing: shares })
  onTestFinished(async () => {
    await shares.stop({ signal: new AbortController().signal, timeoutMs: 1_000 })
    await queue.close()
    await server.close()
  })
  const turn = createRenumbering({ shares, queue, config: testConfig, log: parts.log })
  const turnOnce = () => turn(new AbortController().signal)
  const job = (tenant: string, tokens = 50_000) => {
    const { candidates, ...spec } = createJobSpec({ share: { tenant, weight: 1, tokens } })
    return { ...referenceTo({ ...spec, candidates }, 0), class: 'gpu' }
  }
  const line = async (jobs: readonly ReturnType<typeof job>[]) =>
    await Promise.all(jobs.map((one) => queue.position(one)))

  await turnOnce()
  shares.started('gpu', 'priority', far - 1_000)
  const many = Array.from({ length: 30 }, () => job('many'))
  for (const one of many) await queue.enqueue(one)
  const before = await line(many)
  shares.started('gpu', 'priority', far + 200_000)
  await until(async () => Number(await redis.hget(keys.shares('gpu'), 'clock')) > far)
  await turnOnce()
  expect(Number(await redis.hget(keys.shares('gpu'), 'base'))).toBeGreaterThan(far)
  // As another process may do that has not heard of it yet.
  await turnOnce()
  expect(await line(many)).toEqual(before)

  // What comes now stands at the clock: behind the two that it has passed, and before what the other has queued.
  await until(() => shares.placeOf('gpu', far) === 1)
  const one = job('one')
  await queue.enqueue(one)
  expect(await queue.position(one)).toBe(3)
})
