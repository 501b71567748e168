import { describe, expect, it } from 'vitest'
import type { Stats } from '../src/index.ts'
import { RequestLog } from '../src/request-log.ts'
import { call, chat, open, startSimulator, until } from './support.ts'

const path = '/v1/chat/completions'

describe('stats', () => {
  it('counts calls, tokens and what became of them, by model and in total, over HTTP too', async () => {
    const { url, stats } = await startSimulator()
    await call(url, path, chat('four'.repeat(2), { model: 'a', sim: { tokens: 5 } }))
    await call(url, '/api/chat', chat('four', { model: 'b', sim: { tokens: 7 } }))
    await call(url, '/v1/embeddings', { model: 'b', input: ['x', 'y'] })
    await call(url, path, chat('hi', { model: 'b', sim: { fault: 429 } }))
    const seen = stats()
    expect(seen.models['a']).toMatchObject({ calls: 1, completed: 1, promptTokens: 2, generatedTokens: 5 })
    expect(seen.models['b']).toMatchObject({ calls: 3, completed: 2, failed: 1, embeddingCalls: 1, embeddingItems: 2 })
    expect(seen.total).toMatchObject({ calls: 4, completed: 3, failed: 1, faults: 1, generatedTokens: 12 })
    expect(JSON.parse((await call(url, '/__sim/stats')).text)).toEqual(seen)
  })

  it('accounts for every call exactly once, whatever becomes of it', async () => {
    const { url, stats } = await startSimulator({
      models: { m: { slots: 3, maxQueued: 3, interTokenMs: 1, tokens: 20 } },
    })
    const sims = [
      {},
      { fault: 500 },
      { cutAfter: 3 },
      { errorAfter: 2 },
      { hang: 'before-headers' },
      { malformedAfter: 1 },
    ]
    const hanging = Array.from({ length: 6 }, () => open(url, path, chat('hi', { sim: { hang: 'before-headers' } })))
    await until(() => stats().total.running === 3 && stats().total.waiting === 3)
    expect((await call(url, path, chat('hi'))).status).toBe(503)
    for (const { request } of hanging) request.destroy()
    const calls = Array.from({ length: 60 }, (_, index) => {
      const opened = open(url, path, chat('hi', { stream: index % 2 === 0, sim: sims[index % sims.length] }))
      if (index % 5 === 0 || index % 6 === 4) setTimeout(() => opened.request.destroy(), index)
      return opened.answer.catch(() => undefined)
    })
    await Promise.all(calls)
    // A client that has left may be gone before the server has read all of its request.
    await until(() => {
      const { calls: all, completed, aborted, failed, rejected, running, waiting } = stats().total
      return running + waiting === 0 && completed + aborted + failed + rejected === all
    })
    expect(stats().total.rejected).toBeGreaterThan(0)
  })

  it('shows the last requests with secrets masked, and their bodies when it keeps them', async () => {
    const { url } = await startSimulator({ keptRequests: 2, recordBodies: true })
    await call(url, '/v1/models')
    await call(url, path, chat('first', { model: 'a' }), { headers: { authorization: 'Bearer sk-secret-secret-1234' } })
    await call(url, path, chat('second', { model: 'b', stream: true }), {
      headers: { 'x-api-key': 'short', 'x-other': '1' },
    })
    const { requests = [] } = JSON.parse((await call(url, '/__sim/stats?requests=1')).text) as Stats
    expect(requests.map(({ model, stream, status }) => [model, stream, status])).toEqual([
      ['a', false, 200],
      ['b', true, 200],
    ])
    expect(requests[0]?.headers['authorization']).toBe('Bearer ***1234')
    expect(requests[1]?.headers).toMatchObject({ 'x-api-key': '***', 'x-other': '1' })
    expect(JSON.parse(requests[1]?.body ?? '')).toMatchObject({ messages: [{ content: 'second' }] })
  })

  it('begins anew after a reset, but for what is still in flight', async () => {
    const { url, stats } = await startSimulator()
    await call(url, path, chat('hi'))
    const held = open(url, path, chat('hi', { sim: { hang: 'before-headers' } }))
    await until(() => stats().total.running === 1)
    await call(url, '/__sim/reset', {})
    expect(stats({ requests: true })).toMatchObject({
      total: { calls: 1, completed: 0, running: 1, maxConcurrency: 1 },
      requests: [],
    })
    held.request.destroy()
    await until(() => stats().total.running === 0)
  })

  it('keeps no more requests than it is told to, oldest first', () => {
    const log = new RequestLog(3)
    for (let at = 0; at < 8; at += 1) {
      log.add({ at, method: 'GET', path: '/', rawHeaders: [], model: null, stream: false, status: 200 })
    }
    expect(log.records().map(({ at }) => at)).toEqual([5, 6, 7])
  })
})

it('masks the keys of every vendor in the log of requests', async () => {
  const { url, stats } = await startSimulator()
  const secret = 'secret-secret-1234'
  const names = ['x-goog-api-key', 'api-key', 'x-api-key', 'x-amz-security-token', 'authorization']
  await call(url, '/v1/models', undefined, { headers: Object.fromEntries(names.map((name) => [name, secret])) })
  await call(url, `/v1beta/models?key=${secret}`)
  expect(JSON.stringify(stats({ requests: true }))).not.toContain('secret-secret')
})
