import type { JobSpec } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support.ts'

const model = (name: string, url: string) =>
  `  - {model_name: ${name}, litellm_params: {model: openai/${name}, api_base: "${url}", api_key: sk-test}, model_info: {class: ${name}}}`

const awaited = { mode: 'interactive', isAwaited: true } as const
const candidate = (name: string): JobSpec['candidates'][number] => ({
  ...{ model: name, class: name },
  deployments: [`${name}/openai/${name}`],
})

let bench: Bench
beforeEach(async () => {
  bench = await createBench(
    (url) => `
model_list:
${model('bad', url)}
${model('good', url)}
router_settings: {allowed_fails: 2, cooldown_time: 60, num_retries: 1}
workers: {lock_s: 30, stalled_s: 1, drain_s: 3}
`,
  )
  bench.simulator.script('bad', { fault: { status: 500 } })
  bench.simulator.script('good', { text: 'good' })
})
afterEach(() => bench.close())

const calls = (name: string): number => bench.simulator.stats().models[name]?.calls ?? 0

/** Two tries, two failures: its circuit is open for a minute. */
async function breakDown(): Promise<void> {
  await bench.startWorker()
  const { id } = await bench.submit({ model: 'bad', ...awaited })
  expect((await bench.end(id)).status).toBe('failed')
  await until(async () => (await circuit())?.probeAt !== undefined)
}

async function circuit(): Promise<{ probeAt?: number; retryAt?: number } | undefined> {
  const text = await bench.redis.hget(bench.server.keys.circuits(), 'bad/openai/bad')
  return text === null ? undefined : JSON.parse(text.slice(text.indexOf('{')))
}

describe('a deployment that nobody can stand in for, with an open circuit', () => {
  it('is probed by one job while the others wait, and serves them all when it is back', async () => {
    await breakDown()
    const before = calls('bad')
    const specs = await Promise.all(Array.from({ length: 10 }, () => bench.submit({ model: 'bad', ...awaited })))
    await until(() => calls('bad') > before, { what: 'a probe' })
    bench.simulator.script('bad', { fault: null, text: 'back' })
    const ends = await Promise.all(specs.map(({ id }) => bench.end(id)))
    expect(ends.map(({ text }) => text)).toEqual(specs.map(() => 'back'))
    // One probe failed; a second one, should this test have been slow to mend it.
    expect(calls('bad') - before - specs.length).toBeLessThanOrEqual(2)
    expect(await circuit()).toBeUndefined()
  })

  it('gets no probe from jobs that may go elsewhere', async () => {
    await breakDown()
    await until(async () => ((await circuit())?.probeAt ?? 0) < Date.now(), { what: 'the time of a probe' })
    const before = calls('bad')
    const candidates = [candidate('bad'), candidate('good')]
    const elsewhere = await bench.submit({ model: 'bad', candidates, ...awaited })
    expect((await bench.end(elsewhere.id)).text).toBe('good')
    expect(calls('bad')).toBe(before)

    // Neither can the other: then it is as if alone.
    bench.simulator.script('good', { fault: { status: 429, retryAfterS: 60 } })
    await bench.end((await bench.submit({ model: 'good', ...awaited })).id)
    bench.simulator.script('bad', { fault: null, text: 'back' })
    const neither = await bench.submit({ model: 'bad', candidates, ...awaited })
    expect((await bench.end(neither.id)).text).toBe('back')
  })

  it('is probed by asynchronous jobs too, though not with their last try; it comes back for all', async () => {
    await breakDown()
    const before = calls('bad')
    const { id } = await bench.submit({ model: 'bad', mode: 'async' })
    await until(async () => (await bench.tokenLog.record(id))?.tries === 1 && calls('bad') === before + 1)
    await until(async () => ((await circuit())?.probeAt ?? 0) < Date.now() && (await circuit())?.retryAt !== undefined)
    bench.simulator.script('bad', { fault: null, text: 'back' })
    const waiting = await bench.submit({ model: 'bad', ...awaited })
    expect((await bench.end(waiting.id)).text).toBe('back')
    const end = await bench.end(id)
    expect(end.text).toBe('back')
    expect(end.record?.tries).toBe(2)
  })

  it('uses up no asynchronous jobs in a long outage', async () => {
    const now = Date.now()
    const record = { failures: 2, at: now, retryAt: now + 60_000, probeAt: now - 1, failedProbes: 4, openings: 1 }
    const text = `1 ${JSON.stringify({ ...record, reason: 'upstream_error' })}`
    await bench.redis.hset(bench.server.keys.circuits(), 'bad/openai/bad', text)
    await bench.startWorker()
    const { id } = await bench.submit({ model: 'bad', mode: 'async' })
    const entry = await until(async () => (await bench.tokenLog.read(id, null))?.find(({ kind }) => kind === 'r'))
    expect(JSON.parse(entry.payload).delayMs).toBeGreaterThan(20_000)
    expect(calls('bad')).toBe(0)
  })
})
