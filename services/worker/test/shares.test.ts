import { until } from '@inferq/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { createBench } from './support.ts'

it('tells the shares what was started, what it really took, and for how long', async () => {
  const bench = await createBench()
  onTestFinished(() => bench.close())
  bench.simulator.script('chat', { text: 'one two three', ttftMs: 20 })
  const share = { tenant: 'acme', weight: 2, tokens: 10_000 }
  const [first, second] = [await bench.submit({ share }), await bench.submit({ share })]
  await bench.startWorker()
  for (const { id } of [first, second]) await bench.end(id)
  const key = bench.server.keys.shares(first.candidates[0]?.class ?? '')
  // A job of tier default is charged four times its tokens, by weight.
  await until(async () => (await bench.redis.hget(key, 'clock')) === '20000')
  // Both took a few tokens: of what the tenant was charged nothing is left, and the clock has passed it.
  await until(async () => (await bench.redis.hget(key, 'ended')) === '2')
  expect(await bench.redis.hget(key, 'f:default:acme')).toBeNull()
  expect(Number(await bench.redis.hget(key, 'seconds'))).toBeGreaterThan(0.03)
})
