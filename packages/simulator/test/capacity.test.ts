import { describe, expect, it } from 'vitest'
import { Capacity } from '../src/capacity.ts'
import { call, chat, events, open, startSimulator, until } from './support.ts'

const path = '/v1/chat/completions'
const holding = chat('hi', { stream: true, sim: { hang: 'before-first-token' } })

async function metric(url: string, name: string, model = 'm'): Promise<number> {
  const { text } = await call(url, '/metrics')
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`) && one.includes(`model_name="${model}"`))
  return Number(line?.split(' ').at(-1))
}

describe('capacity', () => {
  it('runs as many calls as there are slots, queues the next and answers 503 beyond', async () => {
    const { url, stats } = await startSimulator({ models: { m: { slots: 2, maxQueued: 1 } } })
    const running = [open(url, path, holding), open(url, path, holding)]
    await until(() => stats().total.running === 2)
    const queued = open(url, path, chat('queued'))
    await until(() => stats().total.waiting === 1)
    expect(await metric(url, 'vllm:num_requests_running')).toBe(2)
    expect(await metric(url, 'vllm:num_requests_waiting')).toBe(1)
    const refused = await call(url, path, chat('refused'))
    expect(refused.status).toBe(503)
    expect(JSON.parse(refused.text)).toMatchObject({ error: { type: 'service_unavailable_error' } })
    running[0]?.request.destroy()
    expect((await queued.answer).status).toBe(200)
    expect(stats().total).toMatchObject({ calls: 4, completed: 1, aborted: 1, rejected: 1, maxConcurrency: 2 })
  })

  it('lets waiting calls in, in order, as soon as slots are added', async () => {
    const { url, stats, script } = await startSimulator({ models: { m: { slots: 1 } } })
    open(url, path, holding)
    await until(() => stats().total.running === 1)
    const waiting = open(url, path, chat('waiting'))
    await until(() => stats().total.waiting === 1)
    script('m', { slots: 2 })
    expect((await waiting.answer).status).toBe(200)
  })

  it('forgets a waiting call whose client leaves', async () => {
    const { url, stats } = await startSimulator({ models: { m: { slots: 1 } } })
    open(url, path, holding)
    await until(() => stats().total.running === 1)
    const leaving = open(url, path, chat('leaving'))
    await until(() => stats().total.waiting === 1)
    leaving.request.destroy()
    await until(() => stats().total.waiting === 0)
    expect(stats().total).toMatchObject({ aborted: 1, running: 1, promptTokens: 1 })
  })

  it('lets a long queue of calls that end at once through, one by one', () => {
    const capacity = new Capacity({ slots: 1, maxQueued: 20_000, kvTokens: 1_000, batchSlowdown: 0 })
    const first = capacity.acquire(1, { admitted() {} })
    const order: number[] = []
    for (let index = 0; index < 20_000; index += 1) {
      const ticket = capacity.acquire(1, {
        admitted() {
          order.push(index)
          expect(capacity.running).toBe(1)
          ticket?.release()
        },
      })
    }
    first?.release()
    expect(order).toEqual(Array.from({ length: 20_000 }, (_, index) => index))
    expect([capacity.running, capacity.waiting, capacity.kvUsage]).toEqual([0, 0, 0])
  })

  it('fills the KV cache with prompt and output, and makes a prompt wait that does not fit', async () => {
    const { url, stats } = await startSimulator({ models: { m: { kvTokens: 100 } } })
    const sim = { tokens: 30, hang: { afterTokens: 20 } }
    const first = open(url, path, chat('x'.repeat(120), { stream: true, sim }))
    await until(async () => (await metric(url, 'vllm:kv_cache_usage_perc')) === 0.5)
    const second = open(url, path, chat('x'.repeat(240)))
    await until(() => stats().total.waiting === 1)
    first.request.destroy()
    expect((await second.answer).status).toBe(200)
    expect(await metric(url, 'vllm:kv_cache_usage_perc')).toBe(0)
  })

  it('preempts the last ones when the KV cache overflows; they go on when there is room, and say all of their answer', async () => {
    const models = { m: { kvTokens: 100, tokens: 60, interTokenMs: 1, ttftMs: 5 } }
    const { url, stats } = await startSimulator({ models })
    const answers = await Promise.all(Array.from({ length: 4 }, () => call(url, path, chat('hi', { stream: true }))))
    for (const { text } of answers) {
      expect(events(text).filter(({ choices }) => choices[0]?.delta.content).length).toBe(60)
      expect(text).toContain('data: [DONE]')
    }
    expect(await metric(url, 'vllm:num_preemptions_total')).toBeGreaterThan(0)
    expect(await metric(url, 'vllm:kv_cache_usage_perc')).toBe(0)
    expect(stats().total).toMatchObject({ calls: 4, completed: 4, running: 0, waiting: 0, generatedTokens: 240 })
  })

  it('forgets a preempted call whose client leaves', async () => {
    const { url, stats } = await startSimulator({ models: { m: { kvTokens: 50, tokens: 40, ttftMs: 5 } } })
    const hang = { hang: { afterTokens: 30 } }
    open(url, path, chat('first', { stream: true, sim: hang }))
    await until(() => stats().total.generatedTokens === 30)
    const second = open(url, path, chat('second', { stream: true, sim: { interTokenMs: 1 } }))
    await until(async () => (await metric(url, 'vllm:num_preemptions_total')) === 1)
    expect(stats().total).toMatchObject({ running: 1, waiting: 1 })
    second.request.destroy()
    await until(() => stats().total.aborted === 1)
    expect(stats().total).toMatchObject({ running: 1, waiting: 0 })
  })

  it('slows every stream down as the batch grows', async () => {
    const { url, stats } = await startSimulator({ models: { m: { batchSlowdown: 1 } } })
    const body = chat('hi', { stream: true, sim: { tokens: 6, interTokenMs: 10, emitStamps: true } })
    const duration = async () => {
      const stamps = events((await call(url, path, body)).text).flatMap(({ sim_at }) => sim_at ?? [])
      return (stamps.at(-1) ?? 0) - (stamps[0] ?? 0)
    }
    const alone = await duration()
    for (let index = 0; index < 3; index += 1) open(url, path, holding)
    await until(() => stats().total.running === 3)
    // Five gaps of 10 ms alone; with four running, each takes four times as long.
    expect(alone).toBeGreaterThanOrEqual(48)
    expect(await duration()).toBeGreaterThanOrEqual(196)
  })

  it("exports vLLM's metrics in Prometheus' text form", async () => {
    const { url } = await startSimulator({ models: { 'a"b': { text: 'one two' } } })
    await call(url, path, chat('four'.repeat(3), { model: 'a"b' }))
    const { text, headers } = await call(url, '/metrics')
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(text).toContain('# TYPE vllm:num_requests_running gauge\n')
    expect(text).toContain('vllm:prompt_tokens_total{engine="0",model_name="a\\"b"} 3.0\n')
    expect(text).toContain('vllm:generation_tokens_total{engine="0",model_name="a\\"b"} 2.0\n')
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) vllm:\w+ .+|vllm:\w+\{[^}]+\} \d+(\.\d+)?)$/)
    }
  })
})
