import { describe, expect, it } from 'vitest'
import { Ledger, type LedgerPage } from '../src/ledger.ts'
import { call, chat, open, post, startSimulator, until } from './support.ts'

async function read(url: string, query = ''): Promise<LedgerPage> {
  const { status, text } = await call(url, `/__sim/ledger${query}`)
  expect(status).toBe(200)
  return JSON.parse(text)
}

describe('the ledger', () => {
  it('holds who asked, how it ended and the usage that was told, on every wire that names a user', async () => {
    const { url } = await startSimulator({ ledger: true, models: { m: { tokens: 5 } } })
    const startedAt = Date.now()
    await post(url, '/v1/chat/completions', chat('Hello', { user: 'a' }))
    await post(url, '/v1/chat/completions', chat('Hello', { user: 'b', stream: true }))
    const stream_options = { include_usage: true }
    await post(url, '/v1/chat/completions', chat('Hello', { user: 'c', stream: true, stream_options }))
    await post(url, '/v1/completions', { model: 'm', prompt: 'Hello', user: 'd' })
    await post(url, '/v1/embeddings', { model: 'm', input: 'Hello', user: 'e' })
    await post(url, '/api/chat', chat('Hello', { user: 'f', stream: false }))
    await post(url, '/api/embed', { model: 'm', input: 'Hello', user: 'g' })
    await post(url, '/v1/chat/completions', chat('Hello'))
    const { calls, last, dropped } = await read(url)
    const texts = ['a', 'b', 'c', 'd', 'f', ''].map((user) => [user, 5, user !== 'b'] as const)
    const told = calls.map(({ user, completionTokens, tellsUsage }) => [user, completionTokens, tellsUsage])
    expect(told).toEqual([...texts.slice(0, 4), ['e', 0, true], texts[4], ['g', 0, true], texts[5]])
    expect({ last, dropped }).toEqual({ last: 8, dropped: 0 })
    for (const { endedAt, ...made } of calls) {
      expect(made).toMatchObject({ model: 'm', outcome: 'answered', promptTokens: 2 })
      expect(made.startedAt).toBeGreaterThanOrEqual(startedAt)
      expect(endedAt).toBeGreaterThanOrEqual(made.startedAt)
    }
  })

  it('holds a wrong usage as it was told, and the true one where no counts were told', async () => {
    const { url } = await startSimulator({ ledger: true, models: { m: { tokens: 5 } } })
    const scripts = [
      { usage: { prompt_tokens: 70, completion_tokens: 80 } },
      { usage: { prompt_tokens: 'many', completion_tokens: -1 } },
      { usage: { completion_tokens: 1e21 } },
      { noUsage: true },
    ]
    for (const sim of scripts) await post(url, '/v1/chat/completions', chat('Hello', { sim }))
    const { calls } = await read(url)
    expect(
      calls.map(({ promptTokens, completionTokens, tellsUsage }) => [promptTokens, completionTokens, tellsUsage]),
    ).toEqual([
      [70, 80, true],
      [2, 5, false],
      [2, 5, false],
      [2, 5, false],
    ])
  })

  it('tells calls that run, break off, fail or are refused', async () => {
    const { url } = await startSimulator({ ledger: true, models: { m: { tokens: 5 } } })
    await post(url, '/v1/chat/completions', chat('Hello', { sim: { fault: 500 } }))
    await post(url, '/v1/chat/completions', chat('Hello', { sim: { contextTokens: 1 } }))
    await post(url, '/v1/chat/completions', chat('Hello', { nonsense: { of: 'no' }, messages: [] }))
    const hung = open(url, '/v1/chat/completions', chat('Hello', { user: 'h', sim: { hang: 'before-headers' } }))
    await until(async () => (await read(url, '?after=2')).calls.length > 0)
    const running = await read(url, '?after=2')
    expect(running.calls).toMatchObject([{ number: 3, user: 'h', outcome: 'running', endedAt: null, promptTokens: 2 }])
    hung.request.destroy()
    await until(async () => (await read(url)).calls.every(({ outcome }) => outcome !== 'running'))
    expect((await read(url)).calls.map(({ outcome }) => outcome)).toEqual(['failed', 'rejected', 'aborted'])
    expect((await read(url)).calls[0]?.completionTokens).toBe(0)
  })

  it('keeps the newest calls alone, and gives them page by page', async () => {
    const ledger = new Ledger({ mostCalls: 15_000 })
    for (let index = 1; index <= 20_000; index += 1) {
      ledger.open({ user: String(index), model: 'm', hasUsage: true }).counted('completed')
    }
    const first = ledger.after(0)
    expect([first.calls.length, first.calls[0]?.user, first.last, first.dropped]).toEqual([
      10_000,
      '5001',
      20_000,
      5_000,
    ])
    const second = ledger.after(first.calls.at(-1)?.number ?? 0)
    expect([second.calls.length, second.calls.at(-1)?.user]).toEqual([5_000, '20000'])
    expect(ledger.after(20_000).calls).toEqual([])
    ledger.clear()
    expect(ledger.after(0)).toEqual({ calls: [], last: 20_000, dropped: 0 })
  })

  it('is kept only when asked for, forgets at a reset, and takes numbers alone', async () => {
    const without = await startSimulator()
    expect((await call(without.url, '/__sim/ledger')).status).toBe(404)
    const { url } = await startSimulator({ ledger: true })
    await post(url, '/v1/chat/completions', chat('Hello'))
    expect((await call(url, '/__sim/ledger?after=none')).status).toBe(400)
    await post(url, '/__sim/reset', {})
    expect((await read(url)).calls).toEqual([])
  })
})
