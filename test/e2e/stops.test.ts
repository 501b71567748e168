import { createSseReader, until } from '@inferq/testkit'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createJobs, expectWholeStream, queryRows, textOf, untilRecorded, wordsOf } from '../support/jobs.ts'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

// Many processes start here, and some wait for a lock to expire: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

const config = `
model_list:
  - model_name: chat
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1"}
  - model_name: work
    litellm_params: {model: vllm/work, api_base: "\${SIMULATOR}/v1"}
  - model_name: hang
    litellm_params: {model: vllm/hang, api_base: "\${SIMULATOR}/v1"}
workers: {drain_s: 3}
`
let stack: Stack
let ingress: ServiceProcess
let headers: Record<string, string>

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(['--classes', 'chat'])])
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
})
afterAll(() => stack.close())

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)
const ended = (code: number) => ({ code, signal: null })

it.concurrent('an ingress told to stop answers all who wait, and its readers read on elsewhere', async ({ expect }) => {
  const words = wordsOf(60)
  stack.simulator.script('chat', { text: words, interTokenMs: 80 })
  const doomed = await stack.startIngress()
  const client = new OpenAI({ apiKey: stack.masterKey, baseURL: `${doomed.url}/v1`, maxRetries: 0 })
  const request = { model: 'chat', messages: [{ role: 'user' as const, content: 'Count.' }] }
  let begun = 0
  const streams = times(5, async () => {
    let text = ''
    for await (const { choices } of await client.chat.completions.create({ ...request, stream: true })) {
      if (text === '') begun++
      text += choices[0]?.delta.content ?? ''
    }
    return text
  })
  const answers = times(5, async () => (await client.chat.completions.create(request)).choices[0]?.message.content)
  const there = createJobs(stack, () => doomed.url)
  const ids = (await Promise.all(times(5, () => there.submit('chat')))).map(({ id }) => id)
  const readers = await Promise.all(ids.map((id) => there.read(id)))
  await until(() => begun === 5 && readers.every(({ events }) => events.length > 3))
  await until(() => stack.simulator.stats().models['chat']?.calls === 15)

  doomed.kill('SIGTERM')
  const leftWith = await Promise.all(readers.map(({ ended }) => ended))
  expect(leftWith).toEqual(times(5, () => 'clean'))
  await expect(fetch(`${doomed.url}/health/liveness`, { headers: { connection: 'close' } })).rejects.toThrow()
  expect(await Promise.all([...streams, ...answers])).toEqual(times(10, () => words))
  expect(await doomed.exited).toEqual(ended(0))

  const elsewhere = createJobs(stack, () => ingress.url)
  expect(readers.some(({ events }) => events.at(-1)?.event === 'output.delta')).toBe(true)
  for (const [place, id] of ids.entries()) {
    const seen = readers[place]?.events ?? []
    const { events } = await elsewhere.follow(id, seen)
    expectWholeStream(events)
    expect(textOf(events)).toBe(words)
  }
})

it.concurrent('a worker told to stop ends what it can, and puts the rest back without counting a try', async ({
  expect,
}) => {
  const short = wordsOf(10)
  const long = wordsOf(200)
  const doomed = await stack.startWorker(['--classes', 'work', '--drain', '5'])
  const jobs = createJobs(stack, () => ingress.url)
  const calls = () => stack.simulator.stats().models['work']?.calls
  // These would never end here.
  stack.simulator.script('work', { text: long, next: times(10, () => ({ hang: { afterTokens: 20 } })) })
  const longIds = (await Promise.all(times(10, () => jobs.submit('work')))).map(({ id }) => id)
  const longReaders = longIds.map((id) => jobs.follow(id))
  await until(() => calls() === 10)
  stack.simulator.script('work', { text: short, interTokenMs: 40 })
  const shortIds = (await Promise.all(times(10, () => jobs.submit('work')))).map(({ id }) => id)
  await until(() => calls() === 20)

  doomed.kill('SIGINT')
  await until(() => doomed.lines.some((line) => line.includes('stop-signal')))
  stack.simulator.script('work', { text: long, interTokenMs: 1 })
  const waiting = await jobs.submit('work')
  expect(await doomed.exited).toEqual(ended(0))
  expect(await jobs.get(waiting.id)).toMatchObject({ status: 'queued' })
  for (const id of shortIds) {
    expect(await jobs.get(id)).toMatchObject({ status: 'completed', attempts: [{ outcome: 'completed' }] })
  }
  const redis = await stack.redis.connect()
  for (const id of longIds) {
    expect(await redis.hmget(stack.redis.keys.job(id), 'status', 'tries')).toEqual(['queued', '0'])
  }

  await stack.startWorker(['--classes', 'work'])
  for (const { events } of await Promise.all(longReaders)) {
    expectWholeStream(events)
    expect(events.filter(({ event }) => event === 'job.requeued')).toHaveLength(1)
    expect(textOf(events)).toBe(long)
  }
  for (const id of longIds) {
    expect(await jobs.get(id)).toMatchObject({
      status: 'completed',
      attempts: [{ outcome: 'requeued' }, { outcome: 'completed', continued: true }],
    })
  }
  await until(async () => (await jobs.get(waiting.id)).status === 'completed')
})

it.concurrent('a second signal ends a service at once, whatever it waits for', async ({ expect }) => {
  stack.simulator.script('hang', { hang: { afterTokens: 3 } })
  const [doomed, worker] = await Promise.all([stack.startIngress(), stack.startWorker(['--classes', 'hang'])])
  const stream = await createSseReader(`${doomed.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'hang', stream: true, messages: [{ role: 'user', content: 'Hi' }] }),
  })
  await until(() => stream.events.length > 0)
  for (const service of [doomed, worker]) {
    service.kill('SIGTERM')
    await until(() => service.lines.some((line) => line.includes('"stop-signal"')))
    service.kill('SIGTERM')
  }
  expect(await Promise.all([doomed.exited, worker.exited])).toEqual([ended(143), ended(143)])
  expect(await stream.ended).toBe('cut')
})

it('a controller told to stop with a backlog records what it holds, and the next one the rest: each once', async () => {
  const count = 400
  const request = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
  stack.simulator.script('chat', { text: 'done', interTokenMs: 0 })
  const before = await queryRows(stack, 'select 1 from usage')
  expect(before).toHaveLength(0)
  const response = await fetch(`${ingress.url}/v1/jobs:batch`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ jobs: times(count, () => ({ type: 'completion', request })) }),
  })
  const { data } = (await response.json()) as { data: { id: string }[] }
  const redis = await stack.redis.connect()
  const backlog = () => redis.xlen(stack.redis.keys.outcomes())
  // A start and an end of each.
  await until(async () => (await backlog()) >= 2 * count, { timeoutMs: 40_000 })
  const whole = await backlog()

  const first = await stack.startController()
  await until(async () => (await backlog()) < whole, { everyMs: 1 })
  first.kill('SIGTERM')
  expect(await first.exited).toEqual(ended(0))
  expect(first.lines.some((line) => line.includes('service-stop-failed'))).toBe(false)

  await stack.startController()
  await untilRecorded(stack)
  const ids = data.map(({ id }) => id)
  const rows = () => queryRows(stack, 'select job_id from usage where job_id = any($1)', [ids])
  await until(async () => (await rows()).length === count, { everyMs: 50 })
  const statuses = await queryRows<{ status: string; count: string }>(
    stack,
    'select status, count(*) from jobs where id = any($1) group by 1',
    [ids],
  )
  expect(statuses).toEqual([{ status: 'completed', count: String(count) }])
})
