import type { JobSpec } from '@inferq/contracts'
import { referenceTo } from '@inferq/queue'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support.ts'

const modelClass = 'cloud'
let bench: Bench

const yaml = (url: string) => `
model_list:
  - model_name: chat
    litellm_params: {model: openai/chat, api_base: "${url}", api_key: sk-test, timeout: 10}
    model_info: {class: ${modelClass}}
classes: {${modelClass}: {concurrency: 2}}
workers: {lock_s: 3, stalled_s: 1, max_attempts: 3, drain_s: 5}
`

beforeEach(async () => {
  bench = await createBench(yaml)
})
afterEach(async () => {
  await bench.close()
})

const offered = async () => {
  const entries = await bench.redis.zrange(bench.server.keys.slots(modelClass), '0', '-1', 'WITHSCORES')
  return entries.filter((_, index) => index % 2 === 1).reduce((sum, score) => sum + Number(score), 0)
}
const untilOffered = (count: number) =>
  until(async () => (await offered()) === count, { what: `${count} slots offered` })
const leases = () => bench.redis.zrange(bench.server.keys.leases(modelClass), '0', '-1')

/** As an ingress does for a client that waits (`keepResult`: nobody subscribes here, and it would be taken for deserted). */
async function start(overrides: Partial<JobSpec> = {}): Promise<{ spec: JobSpec; isStarted: boolean }> {
  const { queue, tokenLog, spec: make } = bench
  const spec = make({ mode: 'interactive', keepResult: true, ...overrides })
  let isStarted = false
  await queue.startOrEnqueue(referenceTo(spec, 0), async (place) => {
    isStarted = await tokenLog.start(spec, 'ing_test', place)
    return isStarted
  })
  return { spec, isStarted }
}

const attemptsOf = async (spec: JobSpec) => (await bench.end(spec.id)).report.attempts.map(({ outcome }) => outcome)

describe('a job that need not wait', () => {
  it('is started at a worker directly, which offers its slot again afterwards', async () => {
    bench.simulator.script('chat', { text: 'At once.' })
    await bench.startWorker()
    await untilOffered(2)
    const { spec, isStarted } = await start()
    expect(isStarted).toBe(true)
    const end = await bench.end(spec.id)
    expect(end.report).toMatchObject({ status: 'completed', attempts: [{ attempt: 1, outcome: 'completed' }] })
    expect(end.text).toBe('At once.')
    await untilOffered(2)
    expect(await leases()).toEqual([])
  })

  it('may be as long as any', async () => {
    bench.simulator.script('chat', { text: 'Read.' })
    await bench.startWorker()
    await untilOffered(2)
    const content = 'A long story. '.repeat(20_000)
    const { spec, isStarted } = await start({ request: { model: 'chat', messages: [{ role: 'user', content }] } })
    expect(isStarted).toBe(true)
    expect((await bench.end(spec.id)).text).toBe('Read.')
  })

  it('goes through the queue when it fails, and on from there', async () => {
    bench.simulator.script('chat', { text: 'At last.', next: [{ fault: 500 }] })
    await bench.startWorker()
    await untilOffered(2)
    const { spec, isStarted } = await start()
    expect(isStarted).toBe(true)
    expect(await attemptsOf(spec)).toEqual(['retried', 'completed'])
    await untilOffered(2)
  })

  it('is cancelled like any other', async () => {
    bench.simulator.script('chat', { tokens: 400, interTokenMs: 50 })
    await bench.startWorker()
    await untilOffered(2)
    const { spec } = await start()
    await until(async () => (await bench.queue.depth(modelClass)).active === 1)
    await bench.cancel(spec.id)
    expect((await bench.end(spec.id)).status).toBe('cancelled')
    await untilOffered(2)
  })
})

describe('the limit', () => {
  it('holds for both kinds together, and nobody who waits is passed by', async () => {
    bench.simulator.script('chat', { tokens: 10, interTokenMs: 30 })
    await bench.startWorker()
    await untilOffered(2)
    const started = [await start(), await start()]
    expect(started.map(({ isStarted }) => isStarted)).toEqual([true, true])
    const waiting = await bench.submit()
    const late = await start()
    expect(late.isStarted).toBe(false)
    const specs = [...started.map(({ spec }) => spec), waiting, late.spec]
    for (const spec of specs) expect((await bench.end(spec.id)).status).toBe('completed')
    expect(bench.simulator.stats().total.maxConcurrency).toBe(2)
    await untilOffered(2)
  })

  it('holds for jobs of the queue that come while all slots are offered', async () => {
    bench.simulator.script('chat', { tokens: 10, interTokenMs: 30 })
    await bench.startWorker()
    await untilOffered(2)
    const queued = [await bench.submit(), await bench.submit()]
    await untilOffered(0)
    expect((await start()).isStarted).toBe(false)
    for (const spec of queued) expect((await bench.end(spec.id)).status).toBe('completed')
    expect(bench.simulator.stats().total.maxConcurrency).toBe(2)
    await untilOffered(2)
  })

  it('holds when many of both kinds come at once', async () => {
    bench.simulator.script('chat', { tokens: 4, interTokenMs: 5 })
    await bench.startWorker()
    await untilOffered(2)
    const all = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => (index % 3 === 0 ? await bench.submit() : (await start()).spec)),
    )
    for (const spec of all) expect((await bench.end(spec.id)).status).toBe('completed')
    expect(bench.simulator.stats().total.maxConcurrency).toBe(2)
    await untilOffered(2)
    expect(await leases()).toEqual([])
  })
})

describe('a worker', () => {
  it('that died with nothing to offer is forgotten', async () => {
    const slots = bench.server.keys.slots(modelClass)
    await bench.redis.zadd(slots, 0, 'gone')
    await bench.startWorker()
    await until(async () => (await bench.redis.zscore(slots, 'gone')) === null)
    await untilOffered(2)
  })

  it('whose offer was lost offers its slots again', async () => {
    await bench.startWorker()
    await untilOffered(2)
    await bench.redis.del(bench.server.keys.slots(modelClass))
    await untilOffered(2)
  })

  it('that stops lets what was started end, and offers nothing', async () => {
    bench.simulator.script('chat', { tokens: 20, interTokenMs: 20 })
    const worker = await bench.startWorker()
    await untilOffered(2)
    const { spec } = await start()
    await worker.stop()
    expect(await attemptsOf(spec)).toEqual(['completed'])
    expect(await bench.redis.exists(bench.server.keys.slots(modelClass))).toBe(0)
    expect((await start()).isStarted).toBe(false)
  })

  it('that is lost has its jobs run by another', async () => {
    const { redis, server } = bench
    bench.simulator.script('chat', { text: 'By another.' })
    const subscriber = await server.connect('subscriber')
    await subscriber.subscribe(server.keys.starts('gone'))
    await redis.set(server.keys.alive('gone'), 100, 'PX', 60_000)
    await redis.zadd(server.keys.slots(modelClass), 1, 'gone')
    const { spec, isStarted } = await start()
    expect(isStarted).toBe(true)
    await bench.startWorker()
    const end = await bench.end(spec.id)
    expect(end.report.attempts).toMatchObject([{ worker: 'gone', outcome: 'lost' }, { outcome: 'completed' }])
    expect(end.text).toBe('By another.')
    await until(async () => (await leases()).length === 0)
  })

  it('that finds a lease of its own run out keeps the job, if nobody has taken it over', async () => {
    const leasesKey = bench.server.keys.leases(modelClass)
    bench.simulator.script('chat', { tokens: 60, interTokenMs: 50 })
    await bench.startWorker()
    await untilOffered(2)
    const { spec } = await start()
    const runOut = setInterval(() => void bench.redis.zadd(leasesKey, 'XX', 1, spec.id), 20)
    const attempts = await attemptsOf(spec).finally(() => clearInterval(runOut))
    expect(attempts).toEqual(['completed'])
  })

  it('that has lost a job to another stops it', async () => {
    const { redis, server } = bench
    bench.simulator.script('chat', {
      tokens: 400,
      interTokenMs: 50,
      next: [{ tokens: 400, interTokenMs: 50 }, { text: 'Short.' }],
    })
    await bench.startWorker()
    await untilOffered(2)
    const { spec } = await start()
    await until(async () => (await bench.tokenLog.read(spec.id, null))?.some(({ kind }) => kind === 't'))
    await bench.queue.enqueue(referenceTo(spec, 0))
    await redis.zrem(server.keys.leases(modelClass), spec.id)
    expect(await attemptsOf(spec)).toEqual(['lost', 'completed'])
    expect((await bench.end(spec.id)).text).toBe('Short.')
    await untilOffered(2)
  })
})
