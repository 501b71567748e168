import { createWorkerRegistry, type WorkerRegistration } from '@inferq/queue'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { call } from './support/http.ts'

const scalerKey = 'sk-test-scaler'
let bench: Bench

beforeEach(async () => {
  bench = await createBench({
    options: { autoscaleKey: scalerKey },
    yaml: `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu}
  - model_name: team/llama
    litellm_params: {model: hosted_vllm/llama, api_base: "http://127.0.0.1:9/v1"}
classes: {gpu: {concurrency: 2}}
`,
  })
})
afterEach(() => bench.close())

const lane = { class: 'gpu', configured: 32, inFlight: 0, held: null, load: null }

async function worker(id: string, state: WorkerRegistration['state'] = 'running', limit?: number): Promise<void> {
  const registry = createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys })
  const registration: WorkerRegistration = {
    ...{ id, host: 'node-7', pid: 42, gpu: '1', classes: ['gpu'], limit: 2, inFlight: 0, state },
    ...(limit === undefined
      ? {}
      : {
          lanes: [
            { ...lane, limit },
            { ...lane, class: 'other', limit: 99 },
          ],
        }),
    ...{ startedAt: 1_750_000_000_000, lastBeatAt: 1_750_000_001_000, fingerprint: 'abc' },
  }
  await registry.beat(registration, 60_000)
}

describe('draining a worker', () => {
  const drain = (id: string, method = 'POST', key?: string | null) =>
    call(`${bench.url}/v1/workers/${id}/drain`, { method, ...(key === undefined ? {} : { key }) })
  const isOrdered = () => createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys }).isDrainOrdered('w1')

  it('tells it so, once and again, until it is taken back', async () => {
    await worker('w1')
    const told: string[] = []
    const subscriber = await bench.server.connect('subscriber')
    subscriber.on('message', (_, id) => told.push(id))
    await subscriber.subscribe(bench.server.keys.workerOrders())
    for (const _ of [1, 2]) {
      const response = await drain('w1')
      expect(response.status).toBe(202)
      expect(await response.json()).toMatchObject({ id: 'w1', object: 'worker', state: 'draining' })
      expect(await isOrdered()).toBe(true)
    }
    await worker('w1', 'drained')
    expect(await (await drain('w1')).json()).toMatchObject({ state: 'drained' })
    for (const state of ['running', 'drained']) {
      const response = await drain('w1', 'DELETE')
      expect(response.status).toBe(202)
      // The second time it was not told to, and it is as it has said: stopping, say.
      expect(await response.json()).toMatchObject({ state })
      expect(await isOrdered()).toBe(false)
    }
    await until(() => told.length === 5)
    expect(new Set(told)).toEqual(new Set(['w1']))
  })

  it('needs a worker that lives, and an administrator', async () => {
    await worker('w1')
    for (const method of ['POST', 'DELETE']) {
      const response = await drain('w2', method)
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: { code: 'worker_not_found' } })
      expect((await drain('w1', method, null)).status).toBe(401)
      expect((await drain('w1', method, otherKey)).status).toBe(403)
      expect((await drain('w1', method, scalerKey)).status).toBe(401)
      expect((await drain('%00'.repeat(80), method)).status).toBe(404)
    }
    expect(await isOrdered()).toBe(false)
    await bench.loseRedis()
    for (const method of ['POST', 'DELETE']) expect((await drain('w1', method)).status).toBe(503)
    await bench.findRedis()
  })
})

describe('what an autoscaler is told', () => {
  const ask = async (path: string) => (await call(`${bench.url}${path}`, { key: scalerKey })).json()

  it('is none for a class without jobs, and one for the first job of a class that has no worker', async () => {
    const idle = {
      ...{
        class: 'gpu',
        object: 'autoscale',
        desired: 0,
        demand: 0,
        waiting: 0,
        delayed: 0,
        active: 0,
        oldest_s: null,
      },
      ...{ workers: 0, slots_per_worker: 2, mean_s: null },
    }
    expect(await ask('/autoscale/gpu')).toEqual(idle)
    await bench.submit()
    expect(await ask('/autoscale/gpu')).toMatchObject({
      desired: 1,
      demand: 1,
      waiting: 1,
      oldest_s: expect.any(Number),
    })
    expect(await ask('/autoscale')).toMatchObject({ classes: { gpu: { desired: 1 }, 'team/llama': { desired: 0 } } })
    expect(await ask('/autoscale/team%2Fllama')).toMatchObject({ class: 'team/llama', desired: 0 })
  })

  it('counts the workers that take jobs, and bears its bounds in mind', async () => {
    await Promise.all([worker('w1'), worker('w2', 'draining'), worker('w3', 'drained')])
    for (let i = 0; i < 5; i++) await bench.submit()
    expect(await ask('/autoscale/gpu')).toMatchObject({ workers: 1, desired: 3 })
    expect(await ask('/autoscale/gpu?max=2')).toMatchObject({ desired: 2 })
    expect(await ask('/autoscale/gpu?min=7&target_wait_s=60')).toMatchObject({ desired: 7 })
  })

  it('goes by the slots that the workers have now, where they have any', async () => {
    await Promise.all([worker('w1', 'running', 6), worker('w2', 'running', 2), worker('w3', 'running', 0)])
    for (let i = 0; i < 9; i++) await bench.submit()
    expect(await ask('/autoscale/gpu')).toMatchObject({ workers: 3, slots_per_worker: 4, desired: 3 })
  })

  it('is refused to whoever has no key for it, and for what makes no sense', async () => {
    const statusOf = async (path: string, key: string | null = scalerKey) =>
      (await call(`${bench.url}${path}`, { key })).status
    expect(await statusOf('/autoscale/gpu', null)).toBe(401)
    expect(await statusOf('/autoscale/gpu', `${scalerKey}x`)).toBe(401)
    expect(await statusOf('/autoscale', otherKey)).toBe(403)
    expect(await statusOf('/v1/queues')).toBe(401)
    expect(await statusOf('/v1/models')).toBe(401)
    expect(await statusOf('/autoscale/none')).toBe(404)
    expect(await statusOf('/autoscale/toString')).toBe(404)
    for (const query of ['target_wait_s=0', 'target_wait_s=soon', 'min=-1', 'max=1.5', 'min=3&max=2', 'other=1']) {
      expect([query, await statusOf(`/autoscale/gpu?${query}`)]).toEqual([query, 400])
    }
  })
})
