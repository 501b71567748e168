import type { InferqConfig } from '@inferq/config'
import type { JobSpec } from '@inferq/contracts'
import { createSystemClock, type ServiceGroup } from '@inferq/runtime'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { createLogger, createMetrics } from '@inferq/telemetry'
import { createTestLiveConfig, until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { composeWorker } from '../src/index.ts'
import { type Bench, createBench, type End, parseYaml } from './support.ts'

const clock = createSystemClock()
/** Longer than may be configured, so that a busy machine changes nothing. */
const spillMs = 20_000
const config = `
model_list:
  - model_name: chat
    litellm_params: {model: hosted_vllm/chat, api_base: "http://127.0.0.1:2/v1"}
classes: {chat: {concurrency: 4}}
workers: {lock_s: 30, stalled_s: 1, drain_s: 0}
`

interface TestWorker {
  readonly id: string
  readonly simulator: Simulator
  readonly service: ServiceGroup
}

let bench: Bench
let workers: TestWorker[]
const simulators: Simulator[] = []

beforeEach(async () => {
  bench = await createBench(() => config)
  workers = []
})
afterEach(async () => {
  await Promise.all(workers.map(({ service }) => service.stop()))
  await bench.close()
  await Promise.all(simulators.splice(0).map((simulator) => simulator.stop()))
})

/** Each with a backend of its own; resolves when all of them know of each other. */
async function startWorkers(count: number, affinityMs: number): Promise<void> {
  const subscriber = await bench.server.connect('subscriber')
  const heard = new Set<string>()
  const channel = bench.server.keys.affinity('chat')
  for (let index = 0; index < count; index++) {
    const simulator = createSimulator({ defaults: { prefixCache: true, ttftMs: 20, tokens: 80 } })
    await simulator.start()
    simulators.push(simulator)
    const parsed = parseYaml(config)
    const pinned: InferqConfig = {
      ...parsed,
      workers: { ...parsed.workers, affinityMs },
      deployments: parsed.deployments.map((deployment) => ({ ...deployment, baseUrl: `${simulator.url}/v1` })),
    }
    const id = `worker-${index}`
    const service = composeWorker({
      live: createTestLiveConfig(pinned),
      redisUrl: bench.server.url,
      namespace: bench.server.keys.namespace,
      workerId: id,
      clock,
      log: createLogger({ service: 'worker', destination: { write: (line) => bench.lines.push(JSON.parse(line)) } }),
      metrics: createMetrics({ nodeMetrics: false }),
    })
    await service.start()
    workers.push({ id, simulator, service })
  }
  if (affinityMs === 0) return
  subscriber.on('message', (_, text) => heard.add((JSON.parse(text) as { worker: string }).worker))
  await subscriber.subscribe(channel)
  await until(() => heard.size === count)
}

type Message = { readonly role: string; readonly content: string }

function talk(name: string) {
  const messages: Message[] = [{ role: 'system', content: `You help ${name}. `.repeat(60) }]
  let asked = 0
  const ask = (sim: object): Promise<JobSpec> => {
    // None is the beginning of another.
    const question = { role: 'user', content: `Number ${asked++} of ${name}. `.repeat(12) }
    return bench.submit({ model: 'chat', request: { messages: [...messages, question], sim } })
  }
  return {
    /** A question whose answer does not count. */
    ask,
    async turn(): Promise<End> {
      const spec = await ask({})
      const end = await bench.end(spec.id)
      messages.push(...(spec.request['messages'] as Message[]).slice(messages.length))
      messages.push({ role: 'assistant', content: end.text })
      return end
    },
  }
}

const workerIdOf = (end: End): string => end.report.attempts.at(-1)?.worker ?? ''
const workerOf = (end: End): TestWorker => {
  const found = workers.find(({ id }) => id === workerIdOf(end))
  if (found === undefined) throw new Error(`no worker ${workerIdOf(end)}`)
  return found
}
const runningAt = ({ simulator }: TestWorker): number => simulator.stats().total.running

/** Of all prompt tokens of some conversations held at once, those that were cached, as a share. */
async function cachedShare(): Promise<number> {
  let prompt = 0
  let cached = 0
  const conversation = async (_: unknown, index: number): Promise<void> => {
    const { turn } = talk(`user ${index}`)
    for (let i = 0; i < 6; i++) {
      const { payload, status, report } = await turn()
      expect({ status, attempts: report.attempts.length }).toEqual({ status: 'completed', attempts: 1 })
      prompt += payload.usage?.promptTokens ?? 0
      cached += payload.usage?.cachedTokens ?? 0
    }
  }
  await Promise.all(Array.from({ length: 12 }, conversation))
  return cached / prompt
}

/** A conversation whose worker has been told of by it. */
async function begin(name: string) {
  const { prefixes, heard } = await listen()
  const conversation = talk(name)
  const end = await conversation.turn()
  await until(() => prefixes.size > 0)
  await heard()
  return { ...conversation, home: workerOf(end) }
}

/** What workers tell each other. */
async function listen() {
  const subscriber = await bench.server.connect('subscriber')
  const prefixes = new Set<string>()
  let taken = 0
  subscriber.on('message', (_, text) => {
    const { served = [], kind } = JSON.parse(text) as { served?: readonly string[]; kind?: string }
    for (const prefix of served) prefixes.add(prefix)
    if (kind === 'taken') taken++
  })
  const { keys } = bench.server
  await subscriber.subscribe(keys.affinity('chat'), ...workers.map(({ id }) => keys.handovers(id)))
  return {
    prefixes,
    /** Jobs that were handed over. */
    taken: () => taken,
    /** Whatever was published before has come to the workers' sockets as well. */
    heard: () => subscriber.ping(),
  }
}

describe('with affinity', () => {
  it('a conversation stays with the worker that has its beginning cached; without, it is anywhere', async () => {
    await startWorkers(3, spillMs)
    const share = await cachedShare()
    await Promise.all(workers.splice(0).map(({ service }) => service.stop()))
    await startWorkers(3, 0)
    const shareWithout = await cachedShare()
    expect(share).toBeGreaterThan(0.7)
    expect(share).toBeGreaterThan(shareWithout)
  })

  it('a turn whose worker has no room runs at another one', async () => {
    await startWorkers(2, 100)
    const { ask, turn, home } = await begin('ann')
    const slow = await Promise.all(Array.from({ length: 4 }, () => ask({ ttftMs: 60_000 })))
    await until(() => workers.reduce((sum, worker) => sum + runningAt(worker), 0) === 4)
    const full = runningAt(home) === 4
    const end = await turn()
    expect({ full, elsewhere: workerOf(end) !== home, attempts: end.report.attempts.length }).toEqual({
      ...{ full: true, elsewhere: true, attempts: 1 },
    })
    for (const { id } of slow) await bench.cancel(id)
    for (const { id } of slow) expect((await bench.end(id)).status).toBe('cancelled')
  })

  it('jobs that were handed over are cancelled where they run', async () => {
    await startWorkers(3, spillMs)
    const { ask, home } = await begin('ben')
    const { taken } = await listen()
    const slow = await Promise.all(Array.from({ length: 4 }, () => ask({ ttftMs: 60_000 })))
    await until(() => runningAt(home) === 4)
    expect(taken()).toBeGreaterThan(0)
    for (const { id } of slow) await bench.cancel(id)
    for (const { id } of slow) {
      const { status, report } = await bench.end(id)
      expect({ status, workers: report.attempts.map(({ worker }) => worker) }).toEqual({
        ...{ status: 'cancelled', workers: [home.id] },
      })
    }
    await until(() => runningAt(home) === 0)
  })

  it('jobs that were handed over to a worker that stops go back, and run elsewhere', async () => {
    await startWorkers(3, spillMs)
    const { ask, home } = await begin('cid')
    const { taken } = await listen()
    const slow = await Promise.all(Array.from({ length: 4 }, () => ask({ ttftMs: 60_000 })))
    await until(() => runningAt(home) === 4)
    expect(taken()).toBeGreaterThan(0)
    await home.service.stop()
    await until(() => workers.reduce((sum, worker) => sum + runningAt(worker), 0) === 4)
    for (const { id } of slow) await bench.cancel(id)
    for (const { id } of slow) {
      const { status, report } = await bench.end(id)
      const outcomes = report.attempts.map(({ outcome }) => outcome)
      expect({ status, outcomes }).toEqual({ status: 'cancelled', outcomes: ['requeued', 'cancelled'] })
      expect(report.attempts[1]?.worker).not.toBe(home.id)
    }
  })
})
