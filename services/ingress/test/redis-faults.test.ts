import { parseConfig } from '@inferq/config'
import { createSealer } from '@inferq/liveconfig'
import { createStore } from '@inferq/store'
import { createLogger, createMetrics } from '@inferq/telemetry'
import { createTestLiveConfig, type OwnRedis, startOwnRedis, until } from '@inferq/testkit'
import { startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import { createTokenLog } from '@inferq/tokenlog'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { composeIngress, type Ingress } from '../src/index.ts'
import { clock, masterKey } from './support/bench.ts'
import { call, readSse } from './support/http.ts'
import { startLoadingRedis } from './support/loading-redis.ts'

const log = createLogger({ service: 'test', destination: { write() {} } })
const yaml = `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu}
  - model_name: embed
    litellm_params: {model: openai/embed, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu, mode: embedding}
`
/** 2 s to the answer and 3 s to the recovery are promised; the rest is for a busy machine. What hangs would hang for much longer. */
const answeredWithinMs = 10_000
const backWithinMs = 12_000

let server: OwnRedis
let proxy: TcpProxy
let ingress: Ingress

beforeAll(async () => {
  server = await startOwnRedis()
  proxy = await startTcpProxy({ path: new URL(server.url).pathname })
  const parsed = parseConfig({ source: { file: 'test.yaml', text: yaml }, env: {} })
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  const store = createStore({ url: 'postgres://nobody@127.0.0.1:9/none', log, statementTimeoutMs: 500 })
  ingress = composeIngress({
    live: createTestLiveConfig(parsed.config),
    sealer: createSealer('sk-test'),
    listen: { port: 0 },
    masterKey,
    redisUrl: `redis://127.0.0.1:${proxy.port}`,
    namespace: server.keys.namespace,
    ...{ store, clock, log },
    metrics: createMetrics({ nodeMetrics: false }),
    stopTimeoutMs: 2_000,
  })
  await ingress.start()
  return async () => {
    await ingress.stop()
    await store.close()
  }
})
afterAll(async () => {
  await proxy.stop()
  await server.close()
})

const messages = [{ role: 'user', content: 'Hi' }]
const chat = { model: 'chat', messages }
const writes: readonly (readonly [path: string, body: object])[] = [
  ['/v1/chat/completions', chat],
  ['/v1/chat/completions', { ...chat, stream: true }],
  ['/v1/completions', { model: 'chat', prompt: 'Hi', stream: true }],
  ['/v1/embeddings', { model: 'embed', input: 'Hi' }],
  ['/v1/responses', { model: 'chat', input: 'Hi', store: false }],
  ['/v1/responses', { model: 'chat', input: 'Hi', store: false, stream: true }],
  ['/v1/messages', { ...chat, max_tokens: 10 }],
  ['/v1/messages', { ...chat, max_tokens: 10, stream: true }],
]
const reads = ['/v1/queues', '/v1/jobs/job_1', '/v1/jobs/job_1/events', '/health']

async function expectRefused(path: string, init: Parameters<typeof call>[1] = {}): Promise<void> {
  const since = performance.now()
  const response = await call(ingress.url() + path, init)
  const tookMs = performance.now() - since
  const body = await response.text()
  expect({ path, status: response.status, retryAfter: response.headers.get('retry-after') }, body).toEqual({
    ...{ path, status: 503 },
    retryAfter: expect.stringMatching(/^\d+$/),
  })
  expect(tookMs, path).toBeLessThan(answeredWithinMs)
}

async function redisCheck(): Promise<unknown> {
  const response = await call(`${ingress.url()}/health/readiness`)
  return ((await response.json()) as { checks: { redis: { status: string } } }).checks.redis.status
}

/** Until a request waits for a worker, which there is none of: then it is in its queue. */
async function isServing(): Promise<boolean> {
  const cut = new AbortController()
  try {
    const response = await call(`${ingress.url()}/v1/chat/completions`, {
      json: { ...chat, stream: true },
      signal: cut.signal,
    })
    return response.status === 200
  } finally {
    cut.abort()
  }
}

describe('an ingress whose Redis', () => {
  it.each([
    ['is stopped', () => server.shutDown(), () => server.startAgain(), 'none'],
    ['is frozen', async () => server.freeze(), async () => server.thaw(), 'none'],
    ['is behind a dead connection', async () => proxy.blackhole(), async () => proxy.pass(), 'none'],
    ['is out of memory', () => server.fill(), () => server.drain(), 'reads'],
    ['became a replica', () => server.demote(), () => server.promote(), 'reads'],
    ['loads its data', startLoading, stopLoading, 'none'],
  ])('%s answers 503 in time, says that it is not ready, and comes back by itself', async (_, fail, mend, serves) => {
    await until(isServing, { everyMs: 50 })
    expect(await redisCheck()).toBe('ok')
    let isMended = false
    onTestFinished(() => (isMended ? undefined : mend()))
    await fail()
    await Promise.all([
      ...writes.map(([path, json]) => expectRefused(path, { json })),
      ...(serves === 'reads' ? [] : reads.map((path) => expectRefused(path))),
    ])
    // Also when it has been so for a while.
    await Promise.all(writes.map(([path, json]) => expectRefused(path, { json })))
    expect(await redisCheck()).toBe('failing')
    await mend()
    isMended = true
    const since = performance.now()
    await until(isServing, { everyMs: 50 })
    const tookMs = performance.now() - since
    expect(tookMs).toBeLessThan(backWithinMs)
    expect(await redisCheck()).toBe('ok')
  })
})

it('a stream under way goes on after an outage, from where it was', async () => {
  await until(isServing, { everyMs: 50 })
  const tokenLog = createTokenLog({ redis: await server.connect(), keys: server.keys, clock })
  const response = await call(`${ingress.url()}/v1/chat/completions`, { json: { ...chat, stream: true } })
  const jobId = response.headers.get('x-inferq-job-id') ?? ''
  const begun = await tokenLog.begin(jobId, { hop: 0, class: 'gpu', worker: 'w', maxTries: 3 })
  if (begun.kind !== 'begun') throw new Error(begun.kind)
  const writer = tokenLog.writer(jobId, begun.attempt)
  const say = async (text: string): Promise<void> => {
    writer.text(text)
    await writer.flush()
  }
  const reader = readSse(response)
  await say('one ')
  const first = await reader.nextEvent()
  expect(first?.data).toContain('one ')
  proxy.refuse()
  proxy.reset()
  await say('two ')
  await until(async () => (await redisCheck()) === 'failing')
  await say('three ')
  proxy.pass()
  await say('four')
  const attempt = { attempt: begun.attempt, hop: 0, class: 'gpu', worker: 'w', startedAt: clock.now() }
  await tokenLog.finish(begun.record, attempt, 'completed', { at: clock.now(), finishReason: 'stop' })
  const events = [first, ...(await reader.rest())]
  const said = events.flatMap((event) =>
    event?.data === undefined || event.data === '[DONE]'
      ? []
      : (JSON.parse(event.data) as { choices: { delta: { content?: string } }[] }).choices.map(
          ({ delta }) => delta.content ?? '',
        ),
  )
  expect(said.join('')).toBe('one two three four')
  expect(events.at(-1)?.data).toBe('[DONE]')
})

let loading: Awaited<ReturnType<typeof startLoadingRedis>> | undefined

async function startLoading(): Promise<void> {
  loading = await startLoadingRedis()
  proxy.retarget({ host: '127.0.0.1', port: loading.port })
}

async function stopLoading(): Promise<void> {
  proxy.retarget({ path: new URL(server.url).pathname })
  await loading?.stop()
}
