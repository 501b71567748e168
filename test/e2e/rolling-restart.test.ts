import { until } from '@inferq/testkit'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type Balancer, startBalancer } from '../support/balancer.ts'
import { createJobs, expectWholeStream, queryRows, textOf, untilRecorded, wordsOf } from '../support/jobs.ts'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

// Many processes start here, and some wait for a lock to expire: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

const config = `
model_list:
  - model_name: chat
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1"}
  - model_name: long
    litellm_params: {model: vllm/long, api_base: "\${SIMULATOR}/v1"}
workers: {drain_s: 2}
`
const words = wordsOf(30)
const longWords = wordsOf(500)

let stack: Stack
let ingresses: ServiceProcess[]
let workers: ServiceProcess[]
let controllers: ServiceProcess[]
let balancer: Balancer

beforeAll(async () => {
  stack = await startStack(config, { variables: () => ({ INFERQ_STOP_DELAY_S: '1' }) })
  stack.simulator.script('chat', { text: words, interTokenMs: 20 })
  stack.simulator.script('long', { text: longWords, interTokenMs: 20 })
  ;[ingresses, workers, controllers] = await Promise.all([
    Promise.all([stack.startIngress(), stack.startIngress()]),
    Promise.all([stack.startWorker(), stack.startWorker()]),
    Promise.all([stack.startController(), stack.startController()]),
  ])
  const targets = ingresses.map(({ url }) => url)
  balancer = await startBalancer(targets)
  await until(() => targets.every((target) => balancer.isReady(target)))
})
afterAll(async () => {
  await balancer.stop()
  await stack.close()
})

/** Ends by itself, with 0, and is there again. */
async function restart(services: ServiceProcess[], place: number, start: () => Promise<ServiceProcess>): Promise<void> {
  const old = services[place]
  old?.kill('SIGTERM')
  expect(await old?.exited).toEqual({ code: 0, signal: null })
  services[place] = await start()
}

async function restartIngress(place: number): Promise<void> {
  const url = ingresses[place]?.url ?? ''
  await restart(ingresses, place, () => stack.startIngress(Number(new URL(url).port)))
  await until(() => balancer.isReady(url), { everyMs: 50 })
}

it('everything is restarted under load, and no request fails', async () => {
  // As the documentation says: the official client, which tries twice again what did not reach a server or met a 503.
  const client = new OpenAI({ apiKey: stack.masterKey, baseURL: `${balancer.url}/v1`, timeout: 60_000 })
  const jobs = createJobs(stack, () => balancer.url)
  const request = { model: 'chat', messages: [{ role: 'user' as const, content: 'Count.' }] }
  const jobOf = (completionId: string) => `job_${completionId.slice('chatcmpl-'.length)}`
  const ended: string[] = []
  let isOver = false

  const submit = async (model: string): Promise<string> => {
    const body = { type: 'completion', request: { ...request, model } }
    return (await client.post<{ id: string }>('/jobs', { body })).id
  }
  const follow = async (id: string, text: string): Promise<number> => {
    const { events, connections } = await jobs.follow(id)
    expectWholeStream(events)
    expect(events.at(-1)?.event).toBe('job.completed')
    expect(textOf(events)).toBe(text)
    ended.push(id)
    return connections
  }
  const whole = async (): Promise<void> => {
    const { id, choices } = await client.chat.completions.create(request)
    expect(choices[0]?.message.content).toBe(words)
    ended.push(jobOf(id))
  }
  const streamed = async (): Promise<void> => {
    let text = ''
    let id = ''
    let reason: string | null | undefined
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      id = chunk.id
      text += chunk.choices[0]?.delta.content ?? ''
      reason = chunk.choices[0]?.finish_reason ?? reason
    }
    expect([text, reason]).toEqual([words, 'stop'])
    ended.push(jobOf(id))
  }
  const asynchronous = async (): Promise<unknown> => follow(await submit('chat'), words)

  const load = [whole, whole, streamed, streamed, streamed, asynchronous, asynchronous].map(async (one) => {
    while (!isOver) await one()
  })
  const long = await Promise.all([submit('long'), submit('long'), submit('long'), submit('long')])
  const readers = long.map((id) => follow(id, longWords))
  const beforeEnd = Promise.all([...load, ...readers])
  const rolling = (async () => {
    for (const place of [0, 1]) {
      await Promise.all([
        restartIngress(place),
        restart(workers, place, () => stack.startWorker()),
        restart(controllers, place, () => stack.startController()),
      ])
    }
    await until(() => ended.length > 20)
    isOver = true
  })()
  await Promise.all([rolling, beforeEnd]).finally(() => {
    isOver = true
  })

  expect(balancer.refused).toBe(0)
  // Readers of the long jobs were sent away, and read on elsewhere.
  const connections = await Promise.all(readers)
  expect(connections.some((count) => count > 1)).toBe(true)
  await untilRecorded(stack)
  const rows = await queryRows<{ job_id: string }>(stack, 'select job_id from usage where job_id = any($1)', [ended])
  expect(rows.map(({ job_id }) => job_id).sort()).toEqual(ended.sort())
})
