import { once } from 'node:events'
import { connect } from 'node:net'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { call, dataOf, readSse } from './support/http.ts'

let bench: Bench

beforeEach(async () => {
  bench = await createBench({ options: { interactiveMs: 1_500, commitAfterMs: 50 } })
})
afterEach(() => bench.close())

const chat = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const post = (json: unknown) => call(`${bench.url}/v1/chat/completions`, { json })

describe('models', () => {
  it('are listed, and found by names with slashes', async () => {
    const list = (await (await call(`${bench.url}/v1/models`)).json()) as { data: { id: string }[] }
    expect(list.data.map(({ id }) => id)).toEqual(['chat', 'team/embed'])
    expect(await (await call(`${bench.url}/models/team/embed`)).json()).toMatchObject({
      id: 'team/embed',
      object: 'model',
      owned_by: 'inferq',
    })
    const unknown = await call(`${bench.url}/v1/models/nope`)
    expect(unknown.status).toBe(404)
    expect(await unknown.json()).toMatchObject({ error: { code: 'model_not_found' } })
  })
})

describe('health', () => {
  it('says that the process lives and whether it can serve', async () => {
    for (const path of ['/health/liveliness', '/health/liveness', '/health/readiness']) {
      expect((await call(bench.url + path, { key: null })).status).toBe(200)
    }
    await bench.loseRedis()
    const response = await call(`${bench.url}/health/readiness`, { key: null })
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ status: 'not_ready', checks: { redis: { status: 'failing' } } })
    await bench.findRedis()
  })

  it('tells operators more, and only them', async () => {
    expect((await call(`${bench.url}/health`, { key: null })).status).toBe(401)
    expect((await call(`${bench.url}/health`, { key: otherKey })).status).toBe(403)
    expect(await (await call(`${bench.url}/health`)).json()).toMatchObject({
      status: 'ready',
      checks: { redis: { status: 'ok' } },
      classes: [{ class: 'gpu', waiting: expect.any(Number) }],
      models: [{ name: 'chat', deployments: 1 }, { name: 'team/embed' }],
      healthy_count: 0,
      unhealthy_endpoints: [
        { deployment: 'chat/openai/up', model_group: 'chat', error_code: 'upstream_timeout' },
        { deployment: 'team/embed/openai/embed', circuit: { state: 'closed' } },
      ],
    })
  })

  it('has metrics by route, never by path', async () => {
    await call(`${bench.url}/v1/jobs/job_secret0`)
    await until(async () => {
      const page = await (await call(`${bench.url}/metrics`, { key: null })).text()
      expect(page).not.toContain('job_secret0')
      return page.includes('inferq_http_requests_total{route="/v1/jobs/:id",method="GET"')
    })
  })
})

describe('the document', () => {
  it('is OpenAPI 3.1 made of the schemas that validate', async () => {
    const response = await call(`${bench.url}/openapi.json`, { key: null })
    const document = (await response.json()) as {
      openapi: string
      paths: Record<string, Record<string, { requestBody?: unknown; responses: object; security?: unknown }>>
    }
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths).sort()).toEqual([
      '/autoscale',
      '/autoscale/{class}',
      '/config/reload',
      '/health',
      '/health/liveliness',
      '/health/liveness',
      '/health/readiness',
      '/metrics',
      '/model/delete',
      '/model/info',
      '/model/new',
      '/model/update',
      '/model/{id}/update',
      '/model_group/info',
      '/spend/calculate',
      '/v1/batches',
      '/v1/batches/{id}',
      '/v1/batches/{id}/cancel',
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/cost/estimate',
      '/v1/embeddings',
      '/v1/files',
      '/v1/files/{id}',
      '/v1/files/{id}/content',
      '/v1/jobs',
      '/v1/jobs/{id}',
      '/v1/jobs/{id}/cancel',
      '/v1/jobs/{id}/events',
      '/v1/jobs/{id}/events-url',
      '/v1/jobs/{id}/result',
      '/v1/jobs/{id}/retry',
      '/v1/jobs/{id}/webhook-deliveries',
      '/v1/jobs:batch',
      '/v1/messages',
      '/v1/messages/count_tokens',
      '/v1/models',
      '/v1/models/{model}',
      '/v1/queues',
      '/v1/responses',
      '/v1/responses/{id}',
      '/v1/responses/{id}/cancel',
      '/v1/responses/{id}/input_items',
      '/v1/route/explain',
      '/v1/webhooks/deliveries',
      '/v1/webhooks/deliveries/{id}/replay',
      '/v1/webhooks/secret',
      '/v1/webhooks/secret/rotate',
      '/v1/workers',
      '/v1/workers/{id}/drain',
    ])
    const { post: chatRoute } = document.paths['/v1/chat/completions'] ?? {}
    expect(JSON.stringify(chatRoute?.requestBody)).toContain('max_completion_tokens')
    expect(Object.keys(chatRoute?.responses ?? {})).toEqual(expect.arrayContaining(['200', '400', '401', '503']))
  })

  it('is readable at /docs, which loads nothing from elsewhere', async () => {
    const page = await call(`${bench.url}/docs`, { key: null })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    const html = await page.text()
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//)
    for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const asset = await call(new URL(path ?? '', `${bench.url}/docs`).href, { key: null })
      expect([path, asset.status]).toEqual([path, 200])
      await asset.arrayBuffer()
    }
    const document = await call(`${bench.url}/docs/json`, { key: null })
    expect(await document.json()).toMatchObject({ openapi: '3.1.0' })
  })
})

describe('time', () => {
  it('ends an interactive request that takes too long, and its job', async () => {
    const answer = post(chat)
    const spec = await bench.nextExchange()
    await bench.begin(spec.id)
    const response = await answer
    expect(response.status).toBe(504)
    expect(await response.json()).toMatchObject({ error: { code: 'job_expired' } })
    await until(async () => (await bench.tokenLog.read(spec.id, null))?.at(-1)?.kind === 'E')
  })

  it('ends a stream that has begun with an error event', async () => {
    const reader = readSse(await post({ ...chat, stream: true }))
    await bench.nextExchange()
    const events = await reader.rest()
    expect(events.map(dataOf)).toMatchObject([{ error: { code: 'job_expired', type: 'server_error' } }])
  })
})

describe('without Redis', () => {
  it('answers 503 with Retry-After at once when the connection is gone', async () => {
    await bench.loseRedis()
    const response = await post(chat)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({ error: { code: 'service_unavailable', type: 'server_error' } })
    expect((await post({ ...chat, stream: true })).status).toBe(503)
    expect((await call(`${bench.url}/v1/jobs/job_0`)).status).toBe(503)
    await bench.findRedis()
  })
})

describe('without Postgres', () => {
  it('accepts no asynchronous job, and queues nothing', async () => {
    const response = await call(`${bench.url}/v1/jobs`, { json: { type: 'completion', request: chat } })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    const keys = await bench.redis.keys(`${bench.server.keys.namespace}:*`)
    // Whoever looks at a queue leaves what it is.
    expect(keys.filter((key) => !key.endsWith(':meta'))).toEqual([])
  })
})

describe('stopping', () => {
  it('takes nothing new, answers who waits, then ends', async () => {
    const answer = post(chat)
    const spec = await bench.nextExchange()
    const stopped = bench.stop(5_000)
    await until(() => bench.core.stopping)
    await expect(fetch(bench.url, { headers: { connection: 'close' } })).rejects.toThrow()
    const attempt = await bench.begin(spec.id)
    await attempt.end('completed', { result: { choices: [] } })
    expect((await answer).status).toBe(200)
    await stopped
  })

  it('does not wait for connections that were opened ahead and never used', async () => {
    const socket = connect(Number(new URL(bench.url).port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    await (await call(`${bench.url}/health/liveness`, { key: null })).arrayBuffer()
    await bench.stop(60_000)
  })

  it('lets those down who still wait at the deadline', async () => {
    const answer = post(chat)
    const streaming = readSse(await post({ ...chat, stream: true }))
    await bench.stop(50)
    expect((await answer).status).toBe(503)
    expect((await streaming.rest()).map(dataOf)).toMatchObject([{ error: { code: 'service_unavailable' } }])
  })
})
