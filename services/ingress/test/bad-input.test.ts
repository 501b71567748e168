import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jobRows } from './bad-input/job-rows.ts'
import { openAiRows } from './bad-input/openai-rows.ts'
import { otherRows } from './bad-input/other-rows.ts'
import type { BadRow } from './bad-input/rows.ts'
import { transportRows } from './bad-input/transport-rows.ts'
import { type Bench, createBench } from './support/bench.ts'
import { call } from './support/http.ts'

let bench: Bench
const elapsedMs: number[] = []

beforeAll(async () => {
  bench = await createBench({ bodyBytes: 2_000_000 })
})
afterAll(() => bench.close())

const chat = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const rows: readonly BadRow[] = [...openAiRows, ...jobRows, ...otherRows, ...transportRows]
/** A refusal takes a millisecond or two. The medians, because one case may meet a machine busy with other tests. */
const quantile = (values: readonly number[], share = 0.5): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0

describe('a client that gets it wrong', () => {
  it('has many ways to', () => {
    expect(rows.length).toBeGreaterThan(150)
  })

  it.each(rows)('is told about $what', async ({ path, status, param, code, ...request }) => {
    const startedAt = performance.now()
    const response = await call(bench.url + path, request)
    const { error } = (await response.json()) as { error: Record<string, unknown> }
    elapsedMs.push(performance.now() - startedAt)
    expect({ status: response.status, ...error }).toEqual({
      status,
      param,
      code,
      type: 'invalid_request_error',
      message: expect.any(String),
    })
    expect(error['message']).toEqual(expect.not.stringContaining('anyOf'))
    if (param !== null && code !== 'model_not_found') expect(error['message']).toContain(param)
    expect(response.headers.get('x-request-id')).toMatch(/^req_/)
  })

  it('is told at once', async () => {
    const least: number[] = []
    for (let i = 0; i < 41; i++) {
      const startedAt = performance.now()
      await (await call(`${bench.url}/health/liveness`)).text()
      least.push(performance.now() - startedAt)
    }
    const medianMs = quantile(elapsedMs)
    console.info(
      `${elapsedMs.length} refusals: p50 ${medianMs.toFixed(1)} ms, p99 ${quantile(elapsedMs, 0.99).toFixed(1)} ms`,
    )
    // What takes 50 ms on an idle machine is slow; a busy one is slow with everything.
    expect(medianMs).toBeLessThan(50 + 20 * quantile(least))
  })

  it.each([
    ['chunks that are none', 'transfer-encoding: chunked\r\n\r\nzz\r\nxx\r\n'],
    ['two lengths', 'content-length: 5\r\ncontent-length: 6\r\n\r\nhello'],
    ['a length that is no number', 'content-length: five\r\n\r\nhello'],
    ['a length and chunks', 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a header without a name', ': x\r\n\r\n'],
    ['headers without end', `x-long: ${'x'.repeat(100_000)}\r\n\r\n`],
  ])('is told about %s on the wire', async (_what, rest) => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test-master\r\ncontent-type: application/json\r\n`
    const answer = await raw(head + rest)
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({
      error: { code: expect.any(String), type: 'invalid_request_error', param: null },
    })
  })

  it('is told which methods a path has', async () => {
    const response = await call(`${bench.url}/v1/chat/completions`)
    expect(response.headers.get('allow')).toBe('POST')
  })

  it('is asked for a key, and told when it is wrong', async () => {
    const none = await call(`${bench.url}/v1/chat/completions`, { json: chat, key: null })
    expect(none.status).toBe(401)
    expect(none.headers.get('www-authenticate')).toBe('Bearer')
    const wrong = await call(`${bench.url}/v1/chat/completions`, { json: chat, key: 'sk-test-mastes' })
    expect(wrong.status).toBe(401)
    expect(await wrong.json()).toMatchObject({ error: { code: 'invalid_api_key', type: 'authentication_error' } })
    const long = await call(`${bench.url}/v1/models`, { key: 'k'.repeat(600) })
    expect(long.status).toBe(401)
    const anthropic = await call(`${bench.url}/v1/models`, { key: null, headers: { 'x-api-key': 'sk-test-master' } })
    expect(anthropic.status).toBe(200)
  })

  it('has queued nothing, and said nothing of its content to the log', async () => {
    expect(await bench.redis.keys(`${bench.server.keys.namespace}:*`)).toEqual([])
    expect(JSON.stringify(bench.lines)).not.toContain('robot')
    expect(bench.lines.every((line) => line['event'] !== 'request-failed')).toBe(true)
  })
})

/** Sends these bytes, and gives all that comes back until the connection is closed. */
function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(bench.url)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)))
    socket.on('close', () => resolve(answer))
  })
}
