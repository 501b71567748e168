import { until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Bench, createBench } from './support/bench.ts'
import { call, readSse } from './support/http.ts'

let bench: Bench
const stopDelayMs = 5_000

beforeEach(async () => {
  bench = await createBench({ options: { stopDelayMs } })
})
afterEach(() => bench.close())

const ready = () => call(`${bench.url}/health/readiness`, { key: null })
const isClosed = () =>
  call(`${bench.url}/health/liveness`, { key: null, headers: { connection: 'close' } }).then(
    () => false,
    () => true,
  )

it('says first that it is not ready, and serves on until the balancers that ask have noticed', async () => {
  const job = await bench.submit()
  const early = readSse(await call(`${bench.url}/v1/jobs/${job.id}/events`))
  expect(await early.nextEvent()).toMatchObject({ id: '0-1' })
  expect((await ready()).status).toBe(200)

  const startedAt = performance.now()
  const stopped = bench.stop(20_000)
  const told = await ready()
  expect([told.status, told.headers.get('retry-after'), told.headers.get('connection')]).toEqual([503, '1', 'close'])
  expect(await told.json()).toMatchObject({ status: 'stopping' })

  const answer = call(`${bench.url}/v1/chat/completions`, {
    json: { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] },
    headers: { connection: 'keep-alive' },
  })
  const { id } = await bench.nextExchange()
  const late = readSse(await call(`${bench.url}/v1/jobs/${job.id}/events`))
  expect(await late.nextEvent()).toMatchObject({ id: '0-1' })
  expect(bench.core.closing).toBe(false)

  // Then the door closes: readers go elsewhere, who waits for an answer gets it.
  expect([await early.rest(), await late.rest()]).toEqual([[], []])
  expect(performance.now() - startedAt).toBeGreaterThan(stopDelayMs - 50)
  expect(await isClosed()).toBe(true)
  await (await bench.begin(id)).end('completed', { result: { choices: [] } })
  expect((await answer).status).toBe(200)
  expect((await answer).headers.get('connection')).toBe('close')
  await stopped
})

it('closes at once when nobody asks whether it is ready', async () => {
  await bench.quiet()
  expect(bench.core.closing).toBe(true)
  await until(isClosed)
})

it('does not stay open beyond its deadline', async () => {
  await ready()
  const startedAt = performance.now()
  await bench.stop(50)
  expect(performance.now() - startedAt).toBeLessThan(stopDelayMs)
})
