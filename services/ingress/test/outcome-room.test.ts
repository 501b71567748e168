import { until } from '@inferq/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createOutcomeRoom } from '../src/outcome-room.ts'
import { type Bench, clock, createBench } from './support/bench.ts'
import { call } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ maxOutcomes: 3 })
})
afterAll(() => bench?.close())

const post = () =>
  call(`${bench.url}/v1/chat/completions`, { json: { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] } })

it('takes nothing new while too many outcomes wait to be recorded, says why, and goes on when they are', async () => {
  const stream = bench.server.keys.outcomes()
  for (let i = 0; i < 3; i++) await bench.redis.xadd(stream, '*', 'm', '{}')
  await until(() => bench.lines.some(({ event }) => event === 'outcomes-too-many'))
  const refused = await post()
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('5')
  expect(await refused.json()).toMatchObject({
    error: { code: 'service_unavailable', message: expect.stringContaining('wait for the database') },
  })
  expect((await bench.queue.depth('gpu')).waiting).toBe(0)
  // What is there is told all the same.
  expect((await call(`${bench.url}/v1/models`)).status).toBe(200)

  await bench.redis.del(stream)
  await until(() => bench.lines.some(({ event }) => event === 'outcomes-have-room'))
  const taken = post()
  const { id } = await bench.nextExchange()
  await (await bench.begin(id)).end('completed', { result: { choices: [] } })
  expect((await taken).status).toBe(200)
})

it('is full by memory too, where Redis has a bound, and keeps its mind while Redis does not answer', async () => {
  let weight = { length: 1, bytes: 251, maxMemoryBytes: 1_000 as number | null }
  let looks = 0
  const room = createOutcomeRoom({
    weigh: async () => {
      looks++
      if (weight.length === 0) throw new Error('no answer')
      return weight
    },
    lookEveryMs: 1,
    clock,
    log: bench.core.log,
  })
  const isFull = (): boolean => {
    try {
      room.check()
      return false
    } catch {
      return true
    }
  }
  const lookAgain = () => {
    const seen = looks
    return until(() => looks > seen + 1)
  }
  expect(isFull()).toBe(false)
  await room.start()
  try {
    await until(isFull)
    weight = { length: 0, bytes: 0, maxMemoryBytes: null }
    await lookAgain()
    expect(isFull()).toBe(true)
    weight = { length: 1, bytes: 1_000_000, maxMemoryBytes: null }
    await until(() => !isFull())
  } finally {
    await room.stop({ signal: AbortSignal.timeout(5_000), timeoutMs: 5_000 })
  }
})
