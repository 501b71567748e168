import { freePort, until } from '@inferq/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createJobs, expectWholeStream, type Jobs, textOf, wordsOf } from '../support/jobs.ts'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** Each test has a class of its own. */
const config = `
model_list:
  - model_name: told
    litellm_params: {model: vllm/told, api_base: "\${SIMULATOR}/v1"}
  - model_name: named
    litellm_params: {model: vllm/named, api_base: "\${SIMULATOR}/v1"}
  - model_name: hook
    litellm_params: {model: vllm/hook, api_base: "\${SIMULATOR}/v1"}
classes: {told: {concurrency: 4}}
workers: {drain_s: 30}
`
let stack: Stack
let ingress: ServiceProcess
let jobs: Jobs

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startController()])
  jobs = createJobs(stack, () => ingress.url)
})
afterAll(async () => {
  await stack.close()
})

const words = wordsOf(60)
const running = (model: string): number => stack.simulator.stats().models[model]?.running ?? 0

interface WorkerView {
  readonly id: string
  readonly state: string
  readonly in_flight: number
}

async function ask(path: string, method = 'GET'): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${ingress.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${stack.masterKey}` },
  })
  return { status: response.status, body: await response.json() }
}

async function workerOf(id: string): Promise<WorkerView | undefined> {
  const { data } = (await ask('/v1/workers')).body as { data: WorkerView[] }
  return data.find((worker) => worker.id === id)
}

const untilState = (id: string, state: string): Promise<WorkerView> =>
  until(async () => [await workerOf(id)].find((worker) => worker?.state === state), {
    timeoutMs: 30_000,
    everyMs: 50,
    what: `${id} is ${state}`,
  })

const drain = (id: string, method = 'POST') => ask(`/v1/workers/${id}/drain`, method)

/** Ends, and with all of its text. */
async function expectWhole(id: string, text: string): Promise<void> {
  const { events } = await jobs.follow(id)
  expectWholeStream(events)
  expect(textOf(events)).toBe(text)
}

async function stop(worker: ServiceProcess): Promise<void> {
  worker.kill('SIGTERM')
  expect(await worker.exited).toEqual({ code: 0, signal: null })
}

it.concurrent('a worker told to drain ends what it has without losing a token, takes nothing new, and works again when it is told so', async () => {
  stack.simulator.script('told', { text: words, interTokenMs: 50 })
  const worker = await stack.startWorker(['--classes', 'told', '--id', 'told-1'])
  const under = await jobs.submit('told')
  await until(() => running('told') === 1)
  expect(await drain('told-1')).toMatchObject({ status: 202, body: { id: 'told-1', state: 'draining' } })
  await until(() => worker.lines.some((line) => line.includes('drain-ordered')))
  const later = await jobs.submit('told')

  await expectWhole(under.id, words)
  expect((await jobs.get(under.id)).attempts).toMatchObject([{ worker: 'told-1', outcome: 'completed' }])
  expect(await untilState('told-1', 'drained')).toMatchObject({ in_flight: 0 })
  expect(await jobs.get(later.id)).toMatchObject({ status: 'queued', attempts: [] })
  expect(stack.simulator.stats().models['told']).toMatchObject({ calls: 1, completed: 1 })
  expect((await ask('/autoscale/told')).body).toMatchObject({ desired: 1, demand: 1, workers: 0 })
  // Again changes nothing.
  expect(await drain('told-1')).toMatchObject({ status: 202, body: { state: 'drained' } })

  stack.simulator.script('told', { text: words, interTokenMs: 0 })
  expect(await drain('told-1', 'DELETE')).toMatchObject({ status: 202, body: { state: 'running' } })
  await expectWhole(later.id, words)
  await untilState('told-1', 'running')
  expect((await ask('/autoscale/told')).body).toMatchObject({ workers: 1 })
  const meanSeconds = async () => ((await ask('/autoscale/told')).body as { mean_s: number | null }).mean_s
  await until(async () => ((await meanSeconds()) ?? 0) > 0, { everyMs: 50, what: 'what a job takes is known' })
  await stop(worker)
})

it.concurrent('a worker told to drain stays so when it is started again under its name, and hears an order of which the message was lost', async () => {
  stack.simulator.script('named', { text: words, interTokenMs: 0 })
  const arguments_ = ['--classes', 'named', '--id', 'named-1']
  const first = await stack.startWorker(arguments_)
  await untilState('named-1', 'running')
  const redis = await stack.redis.connect()
  // As if the message had got lost: the order stands, and nobody is told.
  await redis.set(stack.redis.keys.workerDrain('named-1'), '1')
  await untilState('named-1', 'drained')
  await stop(first)
  const second = await stack.startWorker(arguments_)
  await untilState('named-1', 'drained')
  const job = await jobs.submit('named')
  await until(() => second.lines.some((line) => line.includes('worker-started')))
  expect(stack.simulator.stats().models['named']).toMatchObject({ calls: 0 })
  await drain('named-1', 'DELETE')
  await expectWhole(job.id, words)
  await stop(second)
})

it.concurrent('the port of a worker drains it for a preStop: nothing new, the answer when nothing runs any more; busy is ready', async () => {
  // Long enough for all that is asked while it runs.
  stack.simulator.script('hook', { text: words, interTokenMs: 150 })
  const port = await freePort()
  // An address of its own, as every node has one.
  const address = { INFERQ_HOST: '127.0.0.2', INFERQ_METRICS_PORT: String(port) }
  const worker = await stack.startWorker(['--classes', 'hook', '--id', 'hook-1'], address)
  const base = `http://127.0.0.2:${port}`
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`${base}${path}`, { method })
    return { status: response.status, body: await response.json() }
  }
  const isReady = async () => (await get('/health/readiness')).status === 200
  await until(isReady)
  const under = await jobs.submit('hook')
  await until(() => running('hook') === 1)
  expect(await get('/health/readiness')).toEqual({ status: 200, body: { status: 'ready', in_flight: 1 } })
  expect((await get('/drain', 'DELETE')).status).toBe(405)
  for (const wrong of ['-1', 'soon', '']) expect((await get(`/drain?timeout_s=${wrong}`)).status).toBe(400)
  expect(await isReady()).toBe(true)

  // Its grace is over before the job is.
  expect(await get('/drain?timeout_s=0', 'POST')).toEqual({ status: 503, body: { status: 'draining', in_flight: 1 } })
  expect(await get('/health/readiness')).toMatchObject({ status: 503, body: { status: 'draining' } })
  expect((await get('/health/liveness')).status).toBe(200)
  const later = await jobs.submit('hook')
  expect(await get('/drain')).toEqual({ status: 200, body: { status: 'drained', in_flight: 0 } })
  await expectWhole(under.id, words)
  await untilState('hook-1', 'drained')
  expect(await jobs.get(later.id)).toMatchObject({ status: 'queued', attempts: [] })
  await stop(worker)

  stack.simulator.script('hook', { text: words, interTokenMs: 0 })
  // The one that comes in its place is not drained: it was that process that was to stop.
  const next = await stack.startWorker(['--classes', 'hook', '--id', 'hook-1'])
  await expectWhole(later.id, words)
  await stop(next)
})
