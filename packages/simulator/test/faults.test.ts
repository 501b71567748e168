import { describe, expect, it } from 'vitest'
import { call, chat, contentOf, events, lines, open, startSimulator, until } from './support.ts'

const path = '/v1/chat/completions'
const stream = { stream: true }

describe('status faults', () => {
  it.each([
    [429, undefined, 'requests', 'rate_limit_exceeded'],
    [429, 'insufficient_quota', 'insufficient_quota', 'insufficient_quota'],
    [500, undefined, 'server_error', null],
    [503, undefined, 'service_unavailable_error', null],
    [400, 'context_length_exceeded', 'invalid_request_error', 'context_length_exceeded'],
    [400, 'content_policy_violation', 'invalid_request_error', 'content_policy_violation'],
  ])('answers %i %s in the form of each wire', async (status, code, type, expectedCode) => {
    const { url } = await startSimulator()
    const fault = { status, retryAfterS: 7, ...(code === undefined ? {} : { code }) }
    const openai = await call(url, path, chat('hi', { ...stream, sim: { fault } }))
    expect(openai.status).toBe(status)
    expect(openai.headers['retry-after']).toBe('7')
    expect(JSON.parse(openai.text)).toMatchObject({ error: { type, code: expectedCode } })
    const ollama = await call(url, '/api/chat', chat('hi', { sim: { fault } }))
    expect(ollama.status).toBe(status)
    expect(JSON.parse(ollama.text)).toEqual({ error: expect.any(String) as string })
  })

  it('sends a body of the script instead, a page or JSON', async () => {
    const { url } = await startSimulator()
    const page = await call(url, path, chat('hi', { sim: { fault: { status: 502, body: '<html>bad</html>' } } }))
    expect([page.status, page.text, page.headers['content-type']]).toEqual([502, '<html>bad</html>', 'text/html'])
    const json = await call(url, path, chat('hi', { sim: { fault: { status: 500, body: { detail: 'x' } } } }))
    expect(json.text).toBe('{"detail":"x"}')
  })

  it('takes a bare number', async () => {
    const { url } = await startSimulator({ models: { m: { fault: 503 } } })
    expect((await call(url, path, chat('hi'))).status).toBe(503)
    expect((await call(url, '/v1/embeddings', { model: 'm', input: 'x' })).status).toBe(503)
  })

  it('strikes a share of the calls, the same ones on every server of the seed', async () => {
    const outcomes = async () => {
      const { url } = await startSimulator({ models: { m: { fault: { status: 500, rate: 0.5 } } } })
      const statuses: number[] = []
      for (let index = 0; index < 40; index += 1) statuses.push((await call(url, path, chat('hi'))).status)
      return statuses
    }
    const first = await outcomes()
    expect(await outcomes()).toEqual(first)
    expect(first.filter((status) => status === 500).length).toBeGreaterThan(8)
    expect(first.filter((status) => status === 200).length).toBeGreaterThan(8)
  })

  it('refuses a prompt longer than the context, counting what it asks for', async () => {
    const { url, stats } = await startSimulator({ models: { m: { contextTokens: 10 } } })
    const long = await call(url, path, chat('x'.repeat(60)))
    expect(long.status).toBe(400)
    expect(JSON.parse(long.text)).toMatchObject({ error: { code: 'context_length_exceeded' } })
    expect((await call(url, path, chat('x', { max_tokens: 10 }))).status).toBe(400)
    expect((await call(url, path, chat('x', { max_tokens: 5 }))).status).toBe(200)
    expect(stats().total).toMatchObject({ calls: 3, completed: 1, rejected: 2, faults: 0 })
  })
})

describe('faults of a stream', () => {
  it('falls silent before the head, before the first token, or after some', async () => {
    const { url, stats } = await startSimulator({ defaults: { text: 'a b c d' } })
    const silent = open(url, path, chat('hi', { ...stream, sim: { hang: 'before-headers' } }))
    const headOnly = open(url, path, chat('hi', { ...stream, sim: { hang: 'before-first-token' } }))
    const some = open(url, path, chat('hi', { ...stream, sim: { hang: { afterTokens: 2 } } }))
    let headers = 0
    for (const { request } of [silent, headOnly, some]) request.on('response', () => (headers += 1))
    await until(() => stats().total.faults === 3 && contentOf(events(some.text())) === 'a b' && headers === 2)
    expect(headOnly.text()).toBe('')
    expect(stats().total.running).toBe(3)
    for (const { request } of [silent, headOnly, some]) request.destroy()
    await until(() => stats().total.aborted === 3)
    expect(stats().total.running).toBe(0)
  })

  it('hangs instead of a whole answer too', async () => {
    const { url, stats } = await startSimulator()
    const { request } = open(url, path, chat('hi', { sim: { hang: { afterTokens: 2 } } }))
    await until(() => stats().total.faults === 1)
    request.destroy()
    await until(() => stats().total.aborted === 1)
  })

  it('puts a chunk that is no JSON between the tokens and goes on', async () => {
    const { url } = await startSimulator({ defaults: { text: 'a b c' } })
    const { text } = await call(url, path, chat('hi', { ...stream, sim: { malformedAfter: 2 } }))
    const blocks = text.split('\n\n')
    const broken = blocks.findIndex((block) => block.endsWith('"cont'))
    expect(blocks[broken - 1]).toContain('" b"')
    expect(blocks[broken + 1]).toContain('" c"')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    const whole = await call(url, path, chat('hi', { sim: { malformedAfter: 0 } }))
    expect(() => JSON.parse(whole.text) as unknown).toThrow(SyntaxError)
    const ollama = await call(url, '/api/chat', chat('hi', { sim: { malformedAfter: 1 } }))
    expect(() => lines(ollama.text)).toThrow(SyntaxError)
  })

  it('cuts the connection after the tokens it has sent', async () => {
    const { url, stats } = await startSimulator({ defaults: { text: 'a b c d', interTokenMs: 2 } })
    const { text, complete } = await call(url, path, chat('hi', { ...stream, sim: { cutAfter: 3 } }))
    expect(contentOf(events(text))).toBe('a b c')
    expect(complete).toBe(false)
    const lined = await call(url, '/api/chat', chat('hi', { sim: { cutAfter: 3 } }))
    expect(lines(lined.text).map(({ message }) => message?.content)).toEqual(['a', ' b', ' c'])
    expect(lined.complete).toBe(false)
    expect(stats().total).toMatchObject({ calls: 2, failed: 2, aborted: 0, faults: 2 })
  })

  it('cuts a whole answer in its middle, or before its first byte', async () => {
    const { url } = await startSimulator()
    const half = await call(url, path, chat('hi', { sim: { cutAfter: 1 } }))
    expect(half.complete).toBe(false)
    expect(half.text).toMatch(/^\{"id"/)
    await expect(call(url, path, chat('hi', { sim: { cutAfter: 0 } }))).rejects.toThrow('socket hang up')
  })

  it('sends an error event in the middle and ends there', async () => {
    const { url } = await startSimulator({ defaults: { text: 'a b c' } })
    const sim = { errorAfter: 2 }
    const { text, complete } = await call(url, path, chat('hi', { ...stream, sim }))
    const blocks = text.split('\n\n').filter((block) => block !== '')
    expect(JSON.parse(blocks.at(-1)?.slice(6) ?? '')).toMatchObject({ error: { type: 'server_error' } })
    expect(blocks.at(-2)).toContain('" b"')
    expect(complete).toBe(true)
    const ollama = lines<{ error?: string }>((await call(url, '/api/chat', chat('hi', { sim }))).text)
    expect(ollama.at(-1)?.error).toContain('error')
    expect((await call(url, path, chat('hi', { sim }))).status).toBe(500)
  })

  it('dribbles the body, splitting lines and characters', async () => {
    const { url } = await startSimulator({ defaults: { text: 'Grüße' } })
    const slowBody = { bytes: 64, everyMs: 1 }
    const slow = await call(url, path, chat('hi', { ...stream, sim: { slowBody } }))
    expect(slow.chunks.length).toBeGreaterThan(5)
    expect(Math.max(...slow.chunks.map(({ length }) => length))).toBeLessThanOrEqual(640)
    expect(contentOf(events(slow.text))).toBe('Grüße')
    const whole = await call(url, path, chat('hi', { sim: { slowBody } }))
    expect(JSON.parse(whole.text)).toMatchObject({ choices: [{ message: { content: 'Grüße' } }] })
  })

  it('counts a client that leaves a dribbling body as aborted', async () => {
    const { url, stats } = await startSimulator()
    const { request, text } = open(url, path, chat('hi', { sim: { slowBody: { bytes: 1, everyMs: 20 } } }))
    await until(() => text().length > 1)
    request.destroy()
    await until(() => stats().total.aborted === 1)
    expect(stats().total.completed).toBe(0)
  })
})
