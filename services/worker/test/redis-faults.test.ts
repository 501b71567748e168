import { type OwnRedis, startOwnRedis, until } from '@inferq/testkit'
import { startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support.ts'

let server: OwnRedis
let proxy: TcpProxy
let bench: Bench

const yaml = (lockSeconds: number) => (url: string) =>
  `
model_list:
  - model_name: chat
    litellm_params: {model: openai/chat, api_base: "${url}", api_key: sk-test}
    model_info: {class: cloud}
workers: {lock_s: ${lockSeconds}, stalled_s: 1, max_attempts: 3, drain_s: 3}
`

async function start(lockSeconds: number): Promise<void> {
  bench = await createBench(yaml(lockSeconds), server)
  await bench.startWorker(undefined, `redis://127.0.0.1:${proxy.port}`)
}

beforeEach(async () => {
  server = await startOwnRedis()
  proxy = await startTcpProxy({ path: new URL(server.url).pathname })
})
afterEach(async () => {
  await bench.close()
  await proxy.stop()
})

const words = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ')

/** Submits a job that is streamed for a while, and waits until its readers have something. */
async function stream(interTokenMs = 40) {
  bench.simulator.script('chat', { text: words, interTokenMs })
  const spec = await bench.submit()
  const texts = async () => ((await bench.tokenLog.read(spec.id, null)) ?? []).filter(({ kind }) => kind === 't')
  await until(async () => (await texts()).length > 3)
  return spec
}

const calls = () => bench.simulator.stats().models['chat']
const errors = () => bench.lines.filter(({ level }) => Number(level) >= 50)

describe('an attempt', () => {
  it.each([
    ['refuses writes for want of memory', () => server.fill(), () => server.drain()],
    ['becomes a replica for a while', () => server.demote(), () => server.promote()],
    ['is cut off for a while', cutOff, () => proxy.pass()],
    ['is behind a connection that is dead without a word', () => proxy.blackhole(), () => proxy.pass()],
  ])('whose Redis %s goes on, and ends with the whole answer, at the first try', async (_, refuse, take) => {
    await start(30)
    const spec = await stream()
    await refuse()
    // The upstream is through before anything can be written again.
    await until(() => calls()?.completed === 1)
    await take()
    const end = await bench.end(spec.id)
    expect(end).toMatchObject({ status: 'completed', text: words })
    expect(end.report.attempts).toMatchObject([{ attempt: 1, outcome: 'completed' }])
    expect(calls()?.calls).toBe(1)
    expect(errors()).toEqual([])
  })

  it('whose answer comes whole while Redis takes no writes keeps it until it does', async () => {
    await start(30)
    bench.simulator.script('chat', { text: 'whole', ttftMs: 500 })
    const spec = await bench.submit({ stream: false })
    await until(() => calls()?.calls === 1)
    await server.fill()
    await until(() => calls()?.completed === 1)
    const refusals = async (): Promise<number> =>
      Number(/^errorstat_OOM:count=(\d+)/m.exec(await bench.redis.info('errorstats'))?.[1] ?? 0)
    const before = await refusals()
    await until(async () => (await refusals()) > before + 1)
    await server.drain()
    const end = await bench.end(spec.id)
    expect(end.report).toMatchObject({ status: 'completed', attempts: [{ attempt: 1, outcome: 'completed' }] })
    expect(calls()?.calls).toBe(1)
    expect(errors()).toEqual([])
  })

  it('whose Redis is frozen for longer than its lock is stopped, and the job runs again and ends once', async () => {
    await start(1)
    const spec = await stream(1_000)
    server.freeze()
    const since = performance.now()
    await until(() => performance.now() - since > 2_500)
    bench.simulator.script('chat', { interTokenMs: 0 })
    server.thaw()
    await until(() => calls()?.aborted === 1)
    const end = await bench.end(spec.id)
    expect(end).toMatchObject({ status: 'completed', text: words })
    expect(end.report.attempts[0]).toMatchObject({ outcome: 'lost' })
    expect(errors()).toEqual([])
  })

  it('whose job Redis has lost is stopped without a word of error, and the next job is served', async () => {
    await start(2)
    await stream(1_000)
    await server.wipe()
    await until(() => calls()?.aborted === 1)
    bench.simulator.script('chat', { interTokenMs: 0 })
    const next = await until(() => bench.submit().catch(() => null))
    expect(await bench.end(next.id)).toMatchObject({ status: 'completed' })
    expect(errors()).toEqual([])
  })
})

it('a worker serves within seconds of the restart of its Redis', async () => {
  await start(6)
  bench.simulator.script('chat', { text: 'there', interTokenMs: 0 })
  const startedAt = performance.now()
  await bench.end((await bench.submit()).id)
  const withoutMs = performance.now() - startedAt
  const tookMs: number[] = []
  for (const awayMs of [0, 4_000]) {
    await server.shutDown()
    const downSince = performance.now()
    await until(() => performance.now() - downSince >= awayMs)
    await server.startAgain()
    const backSince = performance.now()
    const spec = await until(() => bench.submit().catch(() => null))
    await bench.end(spec.id)
    tookMs.push(Math.round(performance.now() - backSince))
  }
  // Within 3 s is promised; the rest is for a busy machine.
  expect(Math.max(...tookMs)).toBeLessThan(8_000 + 10 * withoutMs)
})

function cutOff(): void {
  proxy.refuse()
  proxy.reset()
}
