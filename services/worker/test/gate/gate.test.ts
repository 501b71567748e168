import type { JobSpec } from '@inferq/contracts'
import { createWorkerRegistry, type WorkerLane } from '@inferq/queue'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Bench, createBench } from '../support.ts'
import { startBackend, type TestBackend } from './backend.ts'

let backend: TestBackend
let bench: Bench
/** Calls that wait here for room get two seconds: on a machine that is busy they may miss it. */
const slow = { timeoutMs: 30_000 }

beforeEach(async () => {
  backend = await startBackend()
  const yaml = (): string => `
model_list:
  - model_name: llama
    litellm_params: {model: hosted_vllm/llama, api_base: "${backend.url}/v1"}
  - model_name: other
    litellm_params: {model: openai/other, api_base: "${backend.url}/v1", api_key: sk-test}
    model_info: {class: other}
classes: {llama: {concurrency: 64}, other: {concurrency: 4}}
workers: {lock_s: 10, stalled_s: 1, drain_s: 1}
`
  bench = await createBench(yaml)
})
afterEach(async () => {
  backend.answerAll()
  await bench.close()
  await backend.close()
})

function submit(count: number, model = 'llama'): Promise<JobSpec[]> {
  return Promise.all(Array.from({ length: count }, () => bench.submit({ model, stream: false })))
}

async function laneOf(modelClass: string): Promise<WorkerLane | undefined> {
  const [worker] = await createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys }).list()
  return worker?.lanes?.find((lane) => lane.class === modelClass)
}

it('gives a backend with room more and more of a backlog, and leaves the rest in the queue when it has none', async () => {
  await bench.startWorker(['llama'])
  const specs = await submit(100)
  await until(() => backend.held === 16, slow)
  // More comes while all of those still run.
  await until(() => backend.held === 32, slow)
  backend.load = { waiting: 2, running: 30, kvUsage: 0.3 }
  await until(async () => (await laneOf('llama'))?.held === 'backend_queue', slow)
  const lane = await laneOf('llama')
  expect(lane).toMatchObject({ configured: 64, load: { waiting: 2, running: 30, kvUsage: 0.3 } })
  expect(lane?.limit).toBeLessThan(64)
  expect(backend.accepted).toBeLessThanOrEqual(64)

  backend.load = { waiting: 0, running: 1, kvUsage: 0 }
  backend.answerAll()
  for (const { id } of specs) expect((await bench.end(id)).status).toBe('completed')
})

it('lets a job that finds no room wait for it here, without a trip through the queue', async () => {
  backend.room = 2
  await bench.startWorker(['other'])
  const running = await submit(2, 'other')
  await until(() => backend.held === 2, slow)
  const [parked] = await submit(1, 'other')
  await until(() => backend.refused === 1, slow)
  backend.answer(1)
  await until(() => backend.accepted === 3, slow)
  backend.answerAll()
  const ends = await Promise.all([...running, parked].map((spec) => bench.end(spec?.id ?? '')))
  for (const { status, record } of ends)
    expect({ status, attempts: record?.attempts.length }).toEqual({ status: 'completed', attempts: 1 })
})

it('cancels a job that waits for room at once, and those that run go on', async () => {
  backend.room = 1
  await bench.startWorker(['other'])
  const [running] = await submit(1, 'other')
  await until(() => backend.held === 1, slow)
  const [parked] = await submit(1, 'other')
  await until(() => backend.refused === 1, slow)
  await bench.cancel(parked?.id ?? '')
  expect((await bench.end(parked?.id ?? '')).status).toBe('cancelled')
  backend.answer(1)
  expect((await bench.end(running?.id ?? '')).status).toBe('completed')
  expect(backend.accepted).toBe(1)
})

it('puts a job back that waits for room when the worker stops, and it counts no try', async () => {
  backend.room = 1
  const worker = await bench.startWorker(['other'])
  await submit(1, 'other')
  await until(() => backend.held === 1, slow)
  const [parked] = await submit(1, 'other')
  await until(() => backend.refused >= 1, slow)
  await worker.stop()
  const record = await bench.tokenLog.record(parked?.id ?? '')
  expect(record).toMatchObject({ status: 'queued', tries: 0 })
})
