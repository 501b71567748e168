import type { JobView } from '@inferq/contracts'
import { freePort, until } from '@inferq/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'
import { runToEnd } from './command.ts'

const config = `
model_list:
  - {model_name: poison, litellm_params: {model: vllm/poison, api_base: "\${SIMULATOR}/v1"}, model_info: {class: gpu}}
  - {model_name: chat, litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1"}, model_info: {class: gpu}}
workers: {drain_s: 3, lock_s: 2, stalled_s: 1, max_attempts: 2}
breaker: {enabled: false}
`

let stack: Stack
let ingress: ServiceProcess
let headers: Record<string, string>
let metricsPort: number

beforeAll(async () => {
  metricsPort = await freePort()
  // The port is one process's: the controller's, which counts ends.
  let variables: Record<string, string> = { INFERQ_METRICS_PORT: String(metricsPort) }
  stack = await startStack(config, { variables: () => variables })
  await stack.startController()
  variables = {}
  ingress = await stack.startIngress()
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
})
afterAll(() => stack.close())

const messages = [{ role: 'user', content: 'Hi' }]
async function submit(model: string): Promise<string> {
  const body = JSON.stringify({ type: 'completion', request: { model, messages } })
  const response = await fetch(`${ingress.url}/v1/jobs`, { method: 'POST', headers, body })
  expect(response.status).toBe(202)
  return ((await response.json()) as JobView).id
}
const jobOf = async (id: string) => (await (await fetch(`${ingress.url}/v1/jobs/${id}`, { headers })).json()) as JobView
const ended = (id: string) =>
  until(
    async () => {
      const job = await jobOf(id)
      return ['queued', 'in_progress'].includes(job.status) ? null : job
    },
    { timeoutMs: 60_000, what: `the end of ${id}` },
  )
const jobs = (...args: string[]) =>
  runToEnd(['jobs', ...args, '--url', ingress.url], { INFERQ_MASTER_KEY: stack.masterKey })

it('a job that kills each worker it meets ends as failed, with its history; the queue goes on; operators run it again', async () => {
  const { simulator } = stack
  simulator.script('poison', { hang: 'before-first-token' })
  simulator.script('chat', { text: 'still here' })
  const poison = await submit('poison')
  for (let kills = 1; kills <= 2; kills++) {
    const worker = await stack.startWorker()
    await until(() => (simulator.stats().models['poison']?.calls ?? 0) >= kills, {
      timeoutMs: 60_000,
      what: `attempt ${kills}`,
    })
    worker.kill('SIGKILL')
    await worker.exited
  }
  const survivor = await stack.startWorker()
  expect(await ended(await submit('chat'))).toMatchObject({ status: 'completed', attempts: [{ attempt: 1 }] })
  const job = await ended(poison)
  expect(job).toMatchObject({ status: 'failed', error: { code: 'attempts_exhausted' }, result: null, usage: null })
  expect(job.attempts.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
    [1, 'lost'],
    [2, 'lost'],
  ])
  expect(new Set(job.attempts.map(({ worker }) => worker)).size).toBe(2)
  expect(simulator.stats().models['poison']?.calls).toBe(2)
  expect(survivor.isRunning()).toBe(true)

  const metrics = () => fetch(`http://127.0.0.1:${metricsPort}/metrics`).then((response) => response.text())
  const counted = 'inferq_job_failures_total{model_class="gpu",code="attempts_exhausted"} 1'
  await until(async () => (await metrics()).includes(counted), { what: 'the metric' })

  const listed = await jobs('list', '--status', 'failed', '--everybody', '--error-code', 'attempts_exhausted')
  expect(listed.stdout).toMatch(
    new RegExp(`^${poison}  failed +\\S+  master  poison  2 attempts  attempts_exhausted: .*\n$`),
  )

  simulator.script('poison', { hang: null, text: 'cured' })
  const retried = await jobs('retry', '--failed', '--since', '1h')
  expect(retried).toMatchObject({ code: 0, stderr: '' })
  const [, again = ''] = new RegExp(`^${poison} → (job_\\w+)\n$`).exec(retried.stdout) ?? []
  expect(await ended(again)).toMatchObject({ status: 'completed', retry_of: poison })
  expect((await jobs('retry', poison)).stdout).toBe(retried.stdout)
}, 180_000)

it('inferq jobs says what cannot be done, and goes on', async () => {
  const done = await submit('chat')
  await ended(done)
  const refused = await jobs('retry', done, 'job_none')
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain(`${done}: The job '${done}' is completed`)
  expect(refused.stderr).toContain(`job_none: No such job`)
  expect(await jobs('cancel', done)).toMatchObject({ code: 0, stdout: `${done} already_finished\n` })
  expect(JSON.parse((await jobs('show', done)).stdout)).toMatchObject({ id: done, status: 'completed' })
}, 180_000)
