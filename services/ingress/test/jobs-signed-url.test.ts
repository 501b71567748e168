import type { EventsUrl } from '@inferq/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEventTokens } from '../src/event-tokens.ts'
import { type Bench, createBench, masterKey, otherKey } from './support/bench.ts'
import { call, readSse } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ options: { publicUrl: 'https://queue.example' } })
})
afterAll(() => bench.close())

const submit = () => bench.submit({ owner: 'master' })
const sign = (jobId: string, options: object = {}) =>
  call(`${bench.url}/v1/jobs/${jobId}/events-url`, { method: 'POST', ...options })
/** As a browser's EventSource: no header but the last id. */
const open = (url: string, lastEventId?: string) =>
  call(url.replace('https://queue.example', bench.url), {
    key: null,
    headers: { accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) },
  })
const urlOf = async (jobId: string, options: object = {}) => (await (await sign(jobId, options)).json()) as EventsUrl

describe('a signed URL', () => {
  it('opens the events of its job without a header, and again after the last one seen', async () => {
    const { id } = await submit()
    const { url, expires_at: expiresAt } = await urlOf(id)
    expect(url).toMatch(`https://queue.example/v1/jobs/${id}/events?token=`)
    expect(Math.abs(expiresAt - Date.now() / 1000 - 300)).toBeLessThan(5)
    const attempt = await bench.begin(id)
    await attempt.say('a', 'b')
    const reader = readSse(await open(url))
    expect(reader.response.headers.get('access-control-allow-origin')).toBe('*')
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const seen = [await reader.nextEvent(), await reader.nextEvent(), await reader.nextEvent()]
    await reader.cancel()
    await attempt.say('c')
    await attempt.end('completed')
    const rest = await readSse(await open(url, seen.at(-1)?.id)).rest()
    expect(rest.map((event) => event.id)).toEqual(['1-2', '1-3', '1-4'])
    expect((await open(url, '1-4')).status).toBe(204)
    expect((await readSse(await open(`${url}&format=openai`)).rest()).at(-1)?.data).toBe('[DONE]')
  })

  it('lasts as long as asked for', async () => {
    const { id } = await submit()
    const { expires_at: expiresAt } = await urlOf(id, { json: { expires_in_s: 3600 } })
    expect(Math.abs(expiresAt - Date.now() / 1000 - 3600)).toBeLessThan(5)
    const headers = { 'content-type': 'application/json' }
    expect((await sign(id, { text: '', headers })).status).toBe(200)
  })

  it.each([
    [{ expires_in_s: 3601 }, 'expires_in_s'],
    [{ expires_in_s: 0 }, 'expires_in_s'],
    [{ expires_in_s: 1.5 }, 'expires_in_s'],
    [{ expires_in_s: '60' }, 'expires_in_s'],
    [{ expires: 60 }, 'expires'],
  ])('is not made for %j', async (json, param) => {
    const { id } = await submit()
    const response = await sign(id, { json })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param } })
  })

  it('is made by the owner of the job alone', async () => {
    const { id } = await submit()
    expect((await sign(id, { key: otherKey })).status).toBe(404)
    expect((await sign(id, { key: null })).status).toBe(401)
    expect((await sign('job_00000000000000000000000000')).status).not.toBe(200)
  })

  it('opens nothing else, and nothing when it was changed', async () => {
    const [one, another] = [await submit(), await submit()]
    const { url } = await urlOf(one.id)
    const token = new URL(url).searchParams.get('token') ?? ''
    const refused = async (path: string, options: object = { key: null }) => {
      const response = await call(bench.url + path, options)
      expect([path, response.status]).toEqual([path, 401])
      expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } })
    }
    await refused(`/v1/jobs/${another.id}/events?token=${token}`)
    for (const path of ['', '/result']) await refused(`/v1/jobs/${one.id}${path}?token=${token}`)
    await refused(`/v1/jobs?token=${token}`)
    const [expiry = '', owner = '', signature = ''] = token.split('.')
    const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    const others = Buffer.from('other').toString('base64url')
    const changed = [`${Number(expiry) + 1}.${owner}.${signature}`, `${expiry}.${others}.${signature}`]
    for (const wrong of ['', 'x', '..', ...changed, `${expiry}.${owner}.${flipped}`, `${token}A`]) {
      await refused(`/v1/jobs/${one.id}/events?token=${encodeURIComponent(wrong)}`)
    }
    await refused(`/v1/jobs/${one.id}/events?token=${token}&token=${token}`)
    // With a token nothing else counts, a good key neither: who sends both is told.
    await refused(`/v1/jobs/${one.id}/events?token=x`, { key: masterKey })
  })

  it('says nothing to other pages without one', async () => {
    const { id } = await submit()
    await (await bench.begin(id)).end('completed')
    const response = await call(`${bench.url}/v1/jobs/${id}/events`)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    await response.text()
  })

  it('is in no line of the log', async () => {
    const { id } = await submit()
    await (await bench.begin(id)).end('completed')
    const { url } = await urlOf(id)
    const token = new URL(url).searchParams.get('token') ?? ''
    await readSse(await open(url)).rest()
    await open(`${url}x`)
    await call(`${bench.url}/nowhere?token=${token}`)
    const lines = bench.lines.map((line) => JSON.stringify(line)).join('\n')
    expect(lines).toContain('/v1/jobs/:id/events')
    expect(lines).not.toContain(token.split('.')[2])
  })
})

describe('a token', () => {
  const claim = { jobId: 'job_1', owner: 'ü:"owner', expiresAt: 2_000 }
  const tokens = createEventTokens(() => Buffer.alloc(32, 1))

  it('is good until its time, with the same key alone', () => {
    const token = tokens.sign(claim)
    expect(tokens.verify(token, 'job_1', 1_999_999)).toBe(claim.owner)
    expect(createEventTokens(() => Buffer.alloc(32, 1)).verify(token, 'job_1', 0)).toBe(claim.owner)
    expect(() => tokens.verify(token, 'job_1', 2_000_000)).toThrow('expired')
    expect(() => tokens.verify(token, 'job_2', 0)).toThrow('not valid')
    expect(() => createEventTokens(() => Buffer.alloc(32, 2)).verify(token, 'job_1', 0)).toThrow('not valid')
  })
})
