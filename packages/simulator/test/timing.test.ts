import { describe, expect, it } from 'vitest'
import { Ticker, type Timed } from '../src/ticker.ts'
import { call, chat, events, open, startSimulator, until } from './support.ts'

const path = '/v1/chat/completions'

async function stamps(url: string, sim: Record<string, unknown>): Promise<number[]> {
  const { text } = await call(url, path, chat('hi', { stream: true, sim: { ...sim, emitStamps: true } }))
  return events(text).flatMap(({ sim_at }) => sim_at ?? [])
}

function gaps(moments: readonly number[]): number[] {
  return moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0))
}

describe('timing', () => {
  it('sends the first token after its time and the others at their pace, without drift', async () => {
    const { url } = await startSimulator()
    const began = performance.timeOrigin + performance.now()
    const moments = await stamps(url, { tokens: 21, ttftMs: 40, interTokenMs: 10 })
    expect((moments[0] ?? 0) - began).toBeGreaterThanOrEqual(39)
    expect(moments).toHaveLength(21)
    // A first token that was late itself shortens what follows, but the last one keeps its time.
    const lasted = (moments.at(-1) ?? 0) - began
    expect(lasted).toBeGreaterThanOrEqual(239)
    expect(lasted).toBeLessThan(20_000)
  })

  it('takes as long for a whole answer as for a streamed one', async () => {
    const { url } = await startSimulator()
    const began = performance.now()
    await call(url, path, chat('hi', { sim: { tokens: 6, ttftMs: 20, interTokenMs: 10 } }))
    expect(performance.now() - began).toBeGreaterThanOrEqual(69)
  })

  it('varies the delays by the jitter and no more', async () => {
    const { url } = await startSimulator()
    const varied = gaps(await stamps(url, { tokens: 12, interTokenMs: 20, jitter: 0.9 }))
    expect(Math.min(...varied)).toBeLessThan(15)
    expect(Math.max(...varied)).toBeGreaterThan(24)
  })

  it('ends each token with its moment, which the text carries through any gateway', async () => {
    const { url } = await startSimulator()
    const before = Date.now()
    const { text } = await call(url, path, chat('hi', { sim: { tokens: 3, interTokenMs: 2, emitStamps: true } }))
    const moments = [...text.matchAll(/@(\d+\.\d\d)/g)].map(([, moment]) => Number(moment))
    expect(moments).toHaveLength(3)
    for (const moment of moments) expect(Math.abs(moment - before)).toBeLessThan(60_000)
  })

  it('sends an answer without delays in one piece', async () => {
    const { url } = await startSimulator()
    const { chunks } = await call(url, path, chat('hi', { stream: true, sim: { tokens: 50 } }))
    expect(chunks).toHaveLength(1)
  })

  it('stops generating when the client leaves', async () => {
    const { url, stats } = await startSimulator()
    const leaving = open(url, path, chat('hi', { stream: true, sim: { tokens: 10_000, interTokenMs: 1 } }))
    await until(() => leaving.text().includes('content":" '))
    leaving.request.destroy()
    await until(() => stats().total.aborted === 1)
    const { generatedTokens } = stats().total
    expect(generatedTokens).toBeLessThan(10_000)
    const other = await call(url, path, chat('hi', { sim: { tokens: 5, interTokenMs: 5 } }))
    expect(other.status).toBe(200)
    expect(stats().total).toMatchObject({ generatedTokens: generatedTokens + 5, running: 0 })
  })

  it('waits for a reader that does not read, and goes on when it does', async () => {
    const { url, stats } = await startSimulator()
    const tokens = 50_000
    const slow = open(url, path, chat('hi', { stream: true, sim: { tokens, interTokenMs: 0.01 } }))
    slow.request.on('response', (response) => {
      response.pause()
      void until(() => stats().total.generatedTokens > 4_000).then(() => response.resume())
    })
    const { text } = await slow.answer
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(stats().total).toMatchObject({ completed: 1, generatedTokens: tokens })
  })
})

describe('the ticker', () => {
  it('runs what is due in the order of its time, and nothing that was cancelled', async () => {
    const ticker = new Ticker()
    const ran: number[] = []
    const now = performance.now()
    const delays = Array.from({ length: 200 }, (_, index) => (index * 7_919) % 97)
    const items = delays.map((delay): Timed => ({ at: 0, slot: -1, due: () => ran.push(delay) }))
    items.forEach((item, index) => {
      ticker.schedule(item, now + (delays[index] ?? 0))
    })
    const cancelled = items.filter((_, index) => index % 3 === 0)
    for (const item of cancelled) ticker.cancel(item)
    await until(() => ticker.waiting === 0)
    const expected = delays.filter((_, index) => index % 3 !== 0).sort((a, b) => a - b)
    expect(ran).toEqual(expected)
    expect(performance.now() - now).toBeGreaterThanOrEqual(96)
  })

  it('moves an item that is scheduled again', async () => {
    const ticker = new Ticker()
    let ran = 0
    const item: Timed = { at: 0, slot: -1, due: () => (ran += 1) }
    ticker.schedule(item, performance.now() + 60_000)
    ticker.schedule(item, performance.now() + 1)
    expect(ticker.waiting).toBe(1)
    await until(() => ran === 1)
  })
})
