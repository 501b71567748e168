import { until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Bench, createBench } from './support/bench.ts'
import { call } from './support/http.ts'

let bench: Bench

beforeEach(async () => {
  bench = await createBench()
})
afterEach(() => bench.close())

it('cancels the job of a client that left while Redis was away, once it is back', async () => {
  const announced: string[] = []
  const subscriber = await bench.server.connect('subscriber')
  subscriber.on('message', (_, jobId) => announced.push(jobId))
  await subscriber.subscribe(bench.server.keys.cancellations())

  const leaving = new AbortController()
  const json = { model: 'chat', stream: true, messages: [{ role: 'user', content: 'Hi' }] }
  const answer = call(`${bench.url}/v1/chat/completions`, { json, signal: leaving.signal })
  const { id } = await bench.nextExchange()
  const attempt = await bench.begin(id)
  await attempt.say('Hello')
  const body = (await answer).text()

  await bench.loseRedis()
  leaving.abort()
  await expect(body).rejects.toThrow()
  await until(() => bench.core.exchanges.size === 0)
  expect(announced).toEqual([])

  await bench.findRedis()
  await until(() => announced.includes(id))
  expect((await bench.tokenLog.record(id))?.cancelRequested).toBe(true)
})

it('stops without waiting for a Redis that is away', async () => {
  const leaving = new AbortController()
  const json = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
  const answer = call(`${bench.url}/v1/chat/completions`, { json, signal: leaving.signal })
  const { id } = await bench.nextExchange()
  await bench.begin(id)
  await bench.loseRedis()
  leaving.abort()
  await expect(answer).rejects.toThrow()
  await until(() => bench.core.exchanges.size === 0)
  await bench.core.background.idle()
  expect(bench.lines.map(({ event }) => event)).toContain('background-failed')
  await bench.findRedis()
})
