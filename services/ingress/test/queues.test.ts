import { createWorkerRegistry, referenceTo, type WorkerRegistration } from '@inferq/queue'
import { createJobSpec } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { call } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench()
})
afterAll(() => bench.close())

const get = async (path: string) => (await (await call(`${bench.url}${path}`)).json()) as { data: object[] }

describe('operators see', () => {
  it('what waits in each queue, and for how long', async () => {
    const idle = { class: 'gpu', object: 'queue', waiting: 0, active: 0, delayed: 0, oldest_s: null }
    expect(await get('/v1/queues')).toEqual({ object: 'list', data: [idle] })
    const now = Date.now()
    await bench.submit({ tier: 'flex' })
    await bench.submit({ tier: 'priority' })
    await bench.queue.enqueue({ ...referenceTo(createJobSpec(), 0), class: 'gpu' }, 60_000)
    const { data } = await get('/v1/queues')
    expect(data).toMatchObject([{ class: 'gpu', waiting: 2, active: 0, delayed: 1, oldest_s: expect.any(Number) }])
    const [{ oldest_s: oldest } = { oldest_s: -1 }] = data as { oldest_s: number }[]
    expect(oldest).toBeGreaterThanOrEqual(0)
    expect(oldest).toBeLessThanOrEqual((Date.now() - now) / 1000 + 0.01)
  })

  it('who works, as each said last', async () => {
    expect(await get('/v1/workers')).toEqual({ object: 'list', data: [] })
    const registry = createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys })
    const worker: WorkerRegistration = {
      ...{ id: 'w2', host: 'node-7', pid: 42, gpu: '1', classes: ['gpu'], limit: 8, inFlight: 3 },
      ...{ startedAt: 1_750_000_000_500, lastBeatAt: 1_750_000_001_000, state: 'draining', fingerprint: 'abc' },
      lanes: [
        {
          ...{ class: 'gpu', limit: 8, configured: 64, inFlight: 3, held: 'kv_full' },
          load: { waiting: 1, running: 3, kvUsage: 0.95 },
        },
      ],
    }
    const { lanes: _, ...earlier } = worker
    await registry.beat(worker, 60_000)
    await registry.beat({ ...earlier, id: 'w1', gpu: null, state: 'running' }, 60_000)
    expect((await get('/v1/workers')).data).toEqual([
      expect.objectContaining({ id: 'w1', gpu: null, state: 'running', lanes: [] }),
      {
        ...{ id: 'w2', object: 'worker', host: 'node-7', pid: 42, gpu: '1', classes: ['gpu'], limit: 8, in_flight: 3 },
        ...{ state: 'draining', started_at: 1_750_000_000.5, last_beat_at: 1_750_000_001, fingerprint: 'abc' },
        lanes: [
          {
            ...{ class: 'gpu', limit: 8, configured: 64, in_flight: 3, held: 'kv_full' },
            load: { waiting: 1, running: 3, kv_usage: 0.95 },
          },
        ],
      },
    ])
  })

  it('and nobody else does', async () => {
    for (const path of ['/v1/queues', '/v1/workers']) {
      expect((await call(bench.url + path, { key: null })).status).toBe(401)
      expect((await call(bench.url + path, { key: otherKey })).status).toBe(403)
    }
  })

  it('that the queue does not answer, when it does not', async () => {
    await bench.loseRedis()
    try {
      for (const path of ['/v1/queues', '/v1/workers']) {
        const response = await call(bench.url + path)
        expect(response.status).toBe(503)
        expect(await response.json()).toMatchObject({ error: { code: 'service_unavailable' } })
      }
    } finally {
      await bench.findRedis()
    }
  })
})
