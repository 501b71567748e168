import type { WorkerRegistration } from '@inferq/queue'
import { createSseReader, type SseReader, until } from '@inferq/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createJobs, expectWholeStream, type Jobs, queryRows, textOf, untilRecorded, wordsOf } from '../support/jobs.ts'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

// Many processes start here, and some wait for a lock to expire: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

/** Each test has a class of its own, so that they can freeze and kill side by side. */
const config = `
model_list:
  - model_name: again
    litellm_params: {model: openai/again, api_base: "\${SIMULATOR}/v1", api_key: sk-test}
    model_info: {class: again}
  - model_name: alone
    litellm_params: {model: vllm/alone, api_base: "\${SIMULATOR}/v1"}
  - model_name: record
    litellm_params: {model: vllm/record, api_base: "\${SIMULATOR}/v1"}
  - model_name: talk
    litellm_params: {model: vllm/talk, api_base: "\${SIMULATOR}/v1"}
  - model_name: burn
    litellm_params: {model: vllm/burn, api_base: "\${SIMULATOR}/v1"}
workers: {drain_s: 3}
`
let stack: Stack
let ingress: ServiceProcess
let controller: ServiceProcess
let jobs: Jobs
const frozen = new Set<ServiceProcess>()

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress, controller] = await Promise.all([
    stack.startIngress(),
    stack.startController(),
    stack.startWorker(['--classes', 'record,talk,burn']),
  ])
  jobs = createJobs(stack, () => ingress.url)
})
afterAll(async () => {
  // A frozen process ends by nothing but SIGKILL.
  for (const service of frozen) thaw(service)
  await stack.close()
})

function freeze(service: ServiceProcess): void {
  frozen.add(service)
  service.kill('SIGSTOP')
}

function thaw(service: ServiceProcess): void {
  frozen.delete(service)
  service.kill('SIGCONT')
}

const words = wordsOf(40)
const statsOf = (model: string) => stack.simulator.stats().models[model]

function chat(base: string, model: string, stream: boolean): Promise<SseReader> {
  return createSseReader(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hi' }] }),
  })
}

/** The process that runs the attempt a reader has seen begin. */
async function pidOfWorker(reader: SseReader): Promise<number> {
  const started = reader.events.find(({ event }) => event === 'job.started')
  const { worker } = JSON.parse(started?.data ?? '{}') as { worker: string }
  const redis = await stack.redis.connect()
  const registration = await until(() => redis.get(stack.redis.keys.worker(worker)))
  return (JSON.parse(registration) as WorkerRegistration).pid
}

/** The lock that keeps a job a worker's. */
async function untilLockIsGone(jobId: string): Promise<void> {
  const redis = await stack.redis.connect()
  const pattern = `${stack.redis.keys.namespace}*:${jobId}-0:lock`
  await until(async () => (await redis.keys(pattern)).length === 0, { everyMs: 50, what: 'the lock is gone' })
}

it.concurrent('a worker frozen beyond its lock writes nothing more, drops its call, and works again', async ({
  expect,
}) => {
  // Its first call would go on for long after the job has ended elsewhere.
  const slow = { text: wordsOf(3_000), interTokenMs: 100 }
  stack.simulator.script('again', { text: words, interTokenMs: 5, next: [slow] })
  const workers = await Promise.all([1, 2].map(() => stack.startWorker(['--classes', 'again'])))
  const { id } = await jobs.submit('again')
  const reader = await jobs.read(id)
  await until(() => reader.events.length > 5)
  const pid = await pidOfWorker(reader)
  const zombie = workers.find((worker) => worker.pid === pid) as ServiceProcess
  const healthy = workers.find((worker) => worker.pid !== pid) as ServiceProcess
  freeze(zombie)
  expect(await reader.ended).toBe('clean')
  expectWholeStream(reader.events)
  expect(reader.events.filter(({ event }) => event === 'output.reset')).toHaveLength(1)
  expect(textOf(reader.events)).toBe(words)

  const redis = await stack.redis.connect()
  const log = await redis.xrange(stack.redis.keys.log(id), '-', '+')
  expect(statsOf('again')).toMatchObject({ aborted: 0, running: 1 })
  thaw(zombie)
  await until(() => statsOf('again')?.aborted === 1)
  expect(await redis.xrange(stack.redis.keys.log(id), '-', '+')).toEqual(log)
  expect(await jobs.get(id)).toMatchObject({
    status: 'completed',
    attempts: [{ outcome: 'lost' }, { outcome: 'completed' }],
  })

  healthy.kill('SIGTERM')
  await healthy.exited
  const next = await jobs.follow((await jobs.submit('again')).id)
  expect(textOf(next.events)).toBe(words)
  expect(statsOf('again')).toMatchObject({ calls: 3, completed: 2, aborted: 1 })
})

it.concurrent('a worker frozen beyond its lock, with nobody to take its job, takes it up again itself, once', async ({
  expect,
}) => {
  // The second call takes longer than a lock lasts: it has to be renewed.
  const text = wordsOf(80)
  stack.simulator.script('alone', { text, interTokenMs: 100, next: [{ hang: { afterTokens: 3 } }] })
  const worker = await stack.startWorker(['--classes', 'alone'])
  const { id } = await jobs.submit('alone')
  const reader = await jobs.read(id)
  await until(() => reader.events.length > 3)
  freeze(worker)
  await untilLockIsGone(id)
  thaw(worker)
  await until(() => reader.events.at(-1)?.event === 'job.completed', { timeoutMs: 40_000 })
  expectWholeStream(reader.events)
  expect(textOf(reader.events)).toBe(text)
  expect(statsOf('alone')).toMatchObject({ calls: 2, completed: 1, aborted: 1 })
  expect((await jobs.get(id)).attempts).toMatchObject([{ outcome: 'lost' }, { outcome: 'completed' }])
})

it.concurrent('a controller frozen with outcomes in its hands is stood in for, and records nothing twice', async ({
  expect,
}) => {
  stack.simulator.script('record', { text: 'done', interTokenMs: 0 })
  const redis = await stack.redis.connect()
  const outcomes = stack.redis.keys.outcomes()
  const held = async () => Number((await redis.xpending(outcomes, 'controllers'))[0])
  const isRecorded = async (id: string) =>
    (await queryRows(stack, "select 1 from jobs where id = $1 and status = 'completed'", [id])).length === 1
  const run = async () => {
    const { id } = await jobs.submit('record')
    await until(async () => (await jobs.get(id)).status === 'completed')
    return id
  }
  // Redis hands outcomes to whoever waits for them, frozen or not: unless it has just ceased to wait.
  const id = await until(async () => {
    freeze(controller)
    const ended = await run()
    if ((await held()) > 0) return ended
    thaw(controller)
    return undefined
  })
  expect(await isRecorded(id)).toBe(false)
  const standIn = await stack.startController()
  await until(() => isRecorded(id), { timeoutMs: 40_000, everyMs: 50 })
  thaw(controller)
  await until(async () => (await held()) === 0)

  standIn.kill('SIGTERM')
  expect(await standIn.exited).toEqual({ code: 0, signal: null })
  const next = await run()
  await until(() => isRecorded(next), { everyMs: 20 })
  const usage = await queryRows(stack, 'select 1 from usage where job_id = any($1)', [[id, next]])
  expect(usage).toHaveLength(2)
  expect(controller.lines.filter((line) => /"level":"error"/.test(line))).toEqual([])
})

it.concurrent('an ingress that was frozen goes on where it was; readers did not have to wait for it', async ({
  expect,
}) => {
  stack.simulator.script('talk', { text: words, interTokenMs: 100 })
  const asleep = await stack.startIngress()
  const whole = chat(asleep.url, 'talk', false)
  const stream = await chat(asleep.url, 'talk', true)
  const { id } = await jobs.submit('talk')
  const reader = await createJobs(stack, () => asleep.url).read(id)
  await until(() => stream.events.length > 3 && reader.events.length > 3)
  freeze(asleep)
  reader.close()
  const { events } = await jobs.follow(id, reader.events)
  expectWholeStream(events)
  expect(textOf(events)).toBe(words)

  await until(() => statsOf('talk')?.running === 0)
  thaw(asleep)
  expect(await stream.ended).toBe('clean')
  expect(stream.events.at(-1)?.data).toBe('[DONE]')
  const said = stream.events.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0]?.delta.content ?? '')
  expect(said.join('')).toBe(words)
  expect((await whole).status).toBe(200)
  expect(statsOf('talk')).toMatchObject({ calls: 3, completed: 3 })
})

it.concurrent('an ingress that was killed leaves no call running that its clients were waiting for', async ({
  expect,
}) => {
  stack.simulator.script('burn', { text: wordsOf(5_000), interTokenMs: 50 })
  const doomed = await stack.startIngress()
  const whole = chat(doomed.url, 'burn', false).catch(() => 'cut')
  const streams = await Promise.all([chat(doomed.url, 'burn', true), chat(doomed.url, 'burn', true)])
  const background = await jobs.submit('burn')
  await until(() => statsOf('burn')?.running === 4 && streams.every(({ events }) => events.length > 3))
  doomed.kill('SIGKILL')
  expect(await whole).toBe('cut')
  const killedAt = performance.now()
  await until(() => statsOf('burn')?.aborted === 3, { timeoutMs: 40_000 })
  expect(performance.now() - killedAt).toBeGreaterThan(2_000)
  // Nobody has to wait for an asynchronous job.
  expect(await jobs.get(background.id)).toMatchObject({ status: 'in_progress' })
  await fetch(`${ingress.url}/v1/jobs/${background.id}/cancel`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.masterKey}` },
  })
  await until(() => statsOf('burn')?.running === 0)
})

it('and each job was billed once', async () => {
  await untilRecorded(stack)
  const count = async (table: string) =>
    queryRows<{ model: string; count: string }>(stack, `select model, count(*) from ${table} group by 1 order by 1`)
  expect(await count('usage')).toEqual(await count('jobs'))
  const burnt = await queryRows(stack, "select estimated from usage where model = 'burn'")
  expect(burnt).toHaveLength(4)
})
