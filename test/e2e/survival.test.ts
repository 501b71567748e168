import type { JobView } from '@inferq/contracts'
import type { WorkerRegistration } from '@inferq/queue'
import { createSseReader, type SseEvent, until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

let stack: Stack
let ingress: ServiceProcess
let headers: Record<string, string>

beforeAll(async () => {
  stack = await startStack()
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
})
afterAll(async () => {
  await stack.close()
})

async function submit(request: object = {}): Promise<JobView> {
  const body = {
    type: 'completion',
    request: { model: 'chat', messages: [{ role: 'user', content: 'Hi' }], ...request },
  }
  const response = await fetch(`${ingress.url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify(body) })
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

const readEvents = (base: string, id: string, after?: string) =>
  createSseReader(`${base}/v1/jobs/${id}/events`, {
    headers: { ...headers, ...(after === undefined ? {} : { 'last-event-id': after }) },
  })

const isTerminal = ({ event }: SseEvent) => /^job\.(completed|failed|cancelled|expired)$/.test(event ?? '')

/** The text that counts: what came after the last reset. */
function textOf(events: readonly SseEvent[]): string {
  const reset = events.map(({ event }) => event).lastIndexOf('output.reset')
  return events
    .slice(reset + 1)
    .filter(({ event }) => event === 'output.delta')
    .map(({ data }) => (JSON.parse(data) as { text?: string }).text ?? '')
    .join('')
}

function expectWholeStream(events: readonly SseEvent[]): void {
  const ids = events.map(({ id }) => id ?? '')
  expect(new Set(ids).size).toBe(ids.length)
  const order = ids.map((id) => id.split('-').map(Number)).map(([attempt = 0, seq = 0]) => attempt * 1e6 + seq)
  expect(order).toEqual([...order].sort((a, b) => a - b))
  expect(events.filter(isTerminal)).toHaveLength(1)
  expect(isTerminal(events.at(-1) as SseEvent)).toBe(true)
}

const words = Array.from({ length: 60 }, (_, i) => `word${i}`).join(' ')

describe('a worker killed in mid-stream', () => {
  it('leaves a reader with a second attempt within 10 s, the whole output, and one terminal event', async () => {
    // It still runs when the other worker is there, however long that takes to start.
    stack.simulator.script('chat', { text: words, interTokenMs: 400 })
    const victim = await until(async () => {
      const job = await submit()
      const reader = await readEvents(ingress.url, job.id)
      await until(() => reader.events.filter(({ event }) => event === 'output.delta').length > 5)
      return { job, reader }
    })
    const started = victim.reader.events.find(({ event }) => event === 'job.started')
    expect(started?.id).toBe('1-0')
    await stack.startWorker()
    stack.simulator.script('chat', { interTokenMs: 10 })
    const first = victim.reader.events.length
    const killedAt = performance.now()
    expect(await killOldestWorker()).toBe(1)
    await until(() => victim.reader.events.slice(first).some(({ event }) => event === 'job.started'), {
      timeoutMs: 15_000,
    })
    // The rest is for a busy machine.
    expect(performance.now() - killedAt).toBeLessThan(20_000)

    expect(await victim.reader.ended).toBe('clean')
    expectWholeStream(victim.reader.events)
    // vLLM goes on with a given beginning: nothing shown is void.
    expect(victim.reader.events.some(({ event }) => event === 'output.continued')).toBe(true)
    expect(victim.reader.events.some(({ event }) => event === 'output.reset')).toBe(false)
    expect(textOf(victim.reader.events)).toBe(words)

    const job = await getJob(victim.job.id)
    expect(job).toMatchObject({ status: 'completed', attempts: [{ outcome: 'lost' }, { outcome: 'completed' }] })
  })
})

describe('an ingress killed under its readers', () => {
  it('is replaced by another one, from where each reader was: nothing missing, nothing twice', async () => {
    stack.simulator.script('chat', { text: words, interTokenMs: 80 })
    const doomed = await stack.startIngress()
    const job = await submit()
    const first = await readEvents(doomed.url, job.id)
    await until(() => first.events.length > 8)
    doomed.kill('SIGKILL')
    expect(await first.ended).toBe('cut')

    const second = await readEvents(ingress.url, job.id, first.events.at(-1)?.id)
    expect(await second.ended).toBe('clean')
    const events = [...first.events, ...second.events]
    expectWholeStream(events)
    expect(events[0]).toMatchObject({ id: '0-1', event: 'job.queued' })
    expect(textOf(events)).toBe(words)
  })
})

describe('a reader', () => {
  it('that is cut off again and again sees every event once', async () => {
    stack.simulator.script('chat', { text: words, interTokenMs: 15 })
    const job = await submit()
    const events: SseEvent[] = []
    while (!events.some(isTerminal)) {
      const reader = await readEvents(ingress.url, job.id, events.at(-1)?.id)
      await until(() => reader.events.length > 6 || reader.events.some(isTerminal))
      reader.close()
      await reader.ended
      events.push(...reader.events)
    }
    expectWholeStream(events)
    expect(textOf(events)).toBe(words)
  })

  it('that comes when Redis has forgotten the job is served from Postgres', async () => {
    stack.simulator.script('chat', { text: 'kept', interTokenMs: 0 })
    const job = await submit()
    await until(async () => (await getJob(job.id)).status === 'completed')
    const redis = await stack.redis.connect()
    await until(async () => (await redis.xlen(stack.redis.keys.outcomes())) === 0)
    await redis.del(stack.redis.keys.job(job.id), stack.redis.keys.log(job.id))
    const found = await getJob(job.id)
    expect(found).toMatchObject({ status: 'completed', result: { choices: [{ message: { content: 'kept' } }] } })
    const reader = await readEvents(ingress.url, job.id)
    expect(await reader.ended).toBe('clean')
    expect(reader.events.filter(isTerminal)).toHaveLength(1)
  })
})

it('a job is committed before it is accepted: Redis lost with all its data runs it all the same', async () => {
  stack.simulator.script('chat', { text: 'again', interTokenMs: 0, next: [{ hang: 'before-first-token' }] })
  const job = await submit()
  const redis = await stack.redis.connect()
  await until(async () => (await redis.hget(stack.redis.keys.job(job.id), 'status')) === 'in_progress')
  for (const key of await redis.keys(`${stack.redis.keys.namespace}:*`)) await redis.del(key)
  await until(async () => (await getJob(job.id)).status === 'completed', { timeoutMs: 45_000, everyMs: 100 })
  const { result } = await getJob(job.id)
  expect(result).toMatchObject({ choices: [{ message: { content: 'again' } }] })
})

async function getJob(id: string): Promise<JobView> {
  const response = await fetch(`${ingress.url}/v1/jobs/${id}`, { headers })
  expect(response.status).toBe(200)
  return (await response.json()) as JobView
}

/** Kills the worker that runs the jobs so far, without warning; says how many were killed. */
async function killOldestWorker(): Promise<number> {
  const redis = await stack.redis.connect()
  const ids = await redis.zrange(stack.redis.keys.workers(), '0', '-1')
  const registrations = await Promise.all(ids.map((id) => redis.get(stack.redis.keys.worker(id))))
  const [oldest] = registrations
    .flatMap((text) => (text === null ? [] : [JSON.parse(text) as WorkerRegistration]))
    .sort((a, b) => a.startedAt - b.startedAt)
  if (oldest === undefined) return 0
  process.kill(oldest.pid, 'SIGKILL')
  return 1
}
