import type { JobSpec } from '@inferq/contracts'
import { createJobSpec, until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tenantOf } from '../src/tenant.ts'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

const yaml = `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu, max_output_tokens: 300}
shares: {default_weight: 2, tenants: {acme: 5, __proto__: 7}}
`

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, yaml })
  // A busy machine may drop the first connection.
  await until(() => bench.queue.depth('gpu').catch(() => undefined))
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

const admin = { owner: 'o', admin: true }
const messages = [{ role: 'user', content: 'x'.repeat(400) }]
/** A quarter of the characters, four around the message, and the longest answer. */
const prompt = 104

describe('the tenant of a request', () => {
  it("is the caller's team, else its key, else its owner", () => {
    expect(tenantOf({ owner: 'o', admin: false, key: 'k', team: 't' }, {})).toBe('t')
    expect(tenantOf({ owner: 'o', admin: false, key: 'k' }, {})).toBe('k')
    expect(tenantOf({ owner: 'o', admin: false }, {})).toBe('o')
  })

  it('is whom an administrator names', () => {
    expect(tenantOf({ ...admin, team: 't' }, { 'x-inferq-tenant': 'acme' })).toBe('acme')
    expect(tenantOf(admin, { 'x-inferq-tenant': '~'.repeat(128) })).toBe('~'.repeat(128))
  })

  it.each(['', ' ', 'a b', 'é', 'x'.repeat(129), 'a, b'])('is never called %j', (name) => {
    expect(() => tenantOf(admin, { 'x-inferq-tenant': name })).toThrow(
      expect.objectContaining({ code: 'invalid_value', detail: expect.objectContaining({ param: 'x-inferq-tenant' }) }),
    )
  })
})

describe('the share of a job', () => {
  const shareOf = async (response: Response): Promise<JobSpec['share']> => {
    const id = response.headers.get('x-inferq-job-id') ?? ''
    return (await bench.tokenLog.record(id))?.spec.share
  }
  const headers = { 'x-inferq-tenant': 'acme', prefer: 'respond-async' }
  const job = { type: 'completion', request: { model: 'chat', messages, max_tokens: 50 } }

  it.each([
    ['/v1/chat/completions', { model: 'chat', messages, max_completion_tokens: 50 }, prompt + 50],
    ['/v1/chat/completions', { model: 'chat', messages, max_tokens: 50, n: 3 }, prompt + 150],
    ['/v1/chat/completions', { model: 'chat', messages, max_tokens: 10_000 }, prompt + 300],
    ['/v1/completions', { model: 'chat', prompt: 'x'.repeat(400), max_tokens: 50 }, 100 + 50],
    ['/v1/messages', { model: 'chat', messages, max_tokens: 50 }, prompt + 50],
    ['/v1/responses', { model: 'chat', input: 'x'.repeat(400), max_output_tokens: 50, background: true }, prompt + 50],
    ['/v1/jobs', job, prompt + 50],
  ])('is what %s says of it', async (path, json, tokens) => {
    const response = await call(bench.url + path, { json, headers })
    expect(response.status).toBeLessThan(300)
    expect(await shareOf(response)).toEqual({ tenant: 'acme', weight: 5, tokens })
  })

  it('is that of an interactive request too, and of every job of many', async () => {
    const asking = call(`${bench.url}/v1/chat/completions`, { json: { model: 'chat', messages } })
    const { id, share } = await bench.nextExchange()
    expect(share).toEqual({ tenant: 'master', weight: 2, tokens: prompt + 300 })
    await (await bench.begin(id)).end('completed', { result: { choices: [] } })
    expect((await asking).status).toBe(200)

    const many = await call(`${bench.url}/v1/jobs:batch`, { json: { jobs: [job, job] }, headers })
    const { data } = (await many.json()) as { data: { id: string }[] }
    for (const one of data) {
      expect((await bench.tokenLog.record(one.id))?.spec.share).toEqual({
        tenant: 'acme',
        weight: 5,
        tokens: prompt + 50,
      })
    }
    expect(data).toHaveLength(2)
  })

  it('weighs by the name alone, whatever objects have', async () => {
    const named = async (tenant: string) =>
      (await shareOf(await call(`${bench.url}/v1/jobs`, { json: job, headers: { 'x-inferq-tenant': tenant } })))?.weight
    expect(await named('__proto__')).toBe(7)
    expect(await named('constructor')).toBe(2)
  })

  it('stays that of the job which is run again, whoever asks for that', async () => {
    const spec = createJobSpec({ owner: 'other', share: { tenant: 'acme', weight: 1, tokens: 9 } })
    await database.store.insertAccepted([spec])
    await bench.tokenLog.open(spec)
    await bench.queue.remove({ jobId: spec.id, hop: 0, class: 'gpu' })
    await (await bench.begin(spec.id)).end('failed', { error: { code: 'upstream_error', message: 'No.' } })
    for (const options of [{ key: otherKey }, { headers: { 'x-inferq-tenant': 'another' } }]) {
      const again = await call(`${bench.url}/v1/jobs/${spec.id}/retry`, { method: 'POST', ...options })
      expect(again.status).toBe(202)
      expect(await shareOf(again)).toMatchObject({ tenant: 'acme', weight: 5 })
    }
  })

  it('is the new weight when the configuration has another', async () => {
    const before = bench.live.current()
    bench.live.swap({ ...before, shares: { defaultWeight: 1, tenantWeights: { acme: 0.5 } } })
    try {
      expect(await shareOf(await call(`${bench.url}/v1/jobs`, { json: job, headers }))).toMatchObject({ weight: 0.5 })
    } finally {
      bench.live.swap(before)
    }
  })
})

describe('somebody who may not name a tenant, or names none', () => {
  const chat = { model: 'chat', max_tokens: 5, messages }
  const paths = [
    ['/v1/chat/completions', chat],
    ['/v1/messages', chat],
    ['/v1/responses', { model: 'chat', input: 'x' }],
    ['/v1/jobs', { type: 'completion', request: chat }],
    ['/v1/jobs:batch', { jobs: [{ type: 'completion', request: chat }] }],
  ] as const

  it.each(paths)('is told so by %s, and nothing is queued', async (path, json) => {
    const { waiting } = await bench.queue.depth('gpu')
    const forbidden = await call(bench.url + path, { json, key: otherKey, headers: { 'x-inferq-tenant': 'acme' } })
    expect(forbidden.status).toBe(403)
    const nameless = await call(bench.url + path, { json, headers: { 'x-inferq-tenant': 'a b' } })
    expect(nameless.status).toBe(400)
    const body = (await nameless.json()) as { type?: string; error: Record<string, unknown> }
    if (path === '/v1/messages') {
      expect(body).toMatchObject({
        type: 'error',
        error: { type: 'invalid_request_error', details: { error_code: 'invalid_value', param: 'x-inferq-tenant' } },
      })
    } else expect(body.error).toMatchObject({ code: 'invalid_value', param: 'x-inferq-tenant' })
    expect((await bench.queue.depth('gpu')).waiting).toBe(waiting)
  })
})
