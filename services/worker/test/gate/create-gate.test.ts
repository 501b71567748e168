import type { InferqConfig } from '@inferq/config'
import { createSilentLog, createSystemClock } from '@inferq/runtime'
import { createInferqMetrics, createMetrics, type Metrics } from '@inferq/telemetry'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createGate, type Gate } from '../../src/gate/create-gate.ts'
import { createUpstreams, type Upstreams } from '../../src/upstreams.ts'
import { parseYaml } from '../support.ts'
import { startBackend, type TestBackend } from './backend.ts'

const deadline = { signal: new AbortController().signal, timeoutMs: 5_000 }
const clock = createSystemClock()
let backend: TestBackend
let upstreams: Upstreams
let metrics: Metrics
let gate: Gate
/** What each class runs now, and the caps that the gate has set last. */
let running: Record<string, number>
let waiting: number
let looks: number
const caps = new Map<string, number | null>()

const config = (): InferqConfig => parseYaml(yaml)
let yaml: string

beforeEach(async () => {
  backend = await startBackend()
  caps.clear()
  running = { llama: 0, twin: 0, cloud: 0 }
  waiting = 100
  looks = 0
  yaml = `
model_list:
  - {model_name: llama, litellm_params: {model: hosted_vllm/llama, api_base: "${backend.url}/v1"}}
  - {model_name: twin, litellm_params: {model: hosted_vllm/twin, api_base: "${backend.url}/v1"}}
  - model_name: cloud
    litellm_params: {model: openai/cloud, api_base: "${backend.url}/v1", api_key: sk-test}
    model_info: {class: cloud}
classes: {llama: {concurrency: 64}, twin: {concurrency: 64}, cloud: {concurrency: 10}}
`
  upstreams = createUpstreams()
  metrics = createMetrics({ nodeMetrics: false })
  const parsed = config()
  gate = createGate({
    ...{ upstreams, clock, log: createSilentLog(), everyMs: 20, metrics: createInferqMetrics(metrics) },
    config: () => parsed,
    consumers: {
      cap: (name, limit) => void caps.set(name, limit),
      state() {
        looks++
        return Object.entries(running).map(([name, inFlight]) => {
          const configured = parsed.classes[name]?.concurrency ?? 1
          return { class: name, inFlight, configured, limit: caps.get(name) ?? configured }
        })
      },
    },
    queue: { depth: async (name) => ({ class: name, waiting, active: 0, delayed: 0 }) },
  })
  gate.adopt(parsed)
  await gate.service.start()
})
afterEach(async () => {
  await gate.service.stop(deadline)
  await upstreams.close()
  await backend.close()
})

it('caps what tells its load from the start, and the rest not at all', () => {
  expect(Object.fromEntries(caps)).toEqual({ llama: 16, twin: 16, cloud: null })
  expect(gate.view('llama')).toEqual({ held: expect.stringMatching(/start|demand/), load: null, slots: 64 })
  expect(gate.view('cloud')).toEqual({ held: null, load: null, slots: 10 })
})

it('reads nothing of a class that is not used, and a backend once for all classes on it', async () => {
  running = { llama: 0, twin: 0, cloud: 3 }
  const idle = looks
  await until(() => looks > idle + 5)
  expect(backend.reads).toBe(0)
  running = { llama: 4, twin: 4, cloud: 0 }
  const busy = looks
  await until(() => gate.view('twin').load !== null && gate.view('llama').load !== null)
  await until(() => looks > busy + 20)
  expect(backend.reads).toBeLessThanOrEqual(looks - busy)
})

it('holds a class whose backend has become silent about its load, counts that, and goes on when it speaks', async () => {
  running['llama'] = 16
  await until(() => caps.get('llama') === 32)
  backend.load = null
  await until(() => gate.view('llama').held === 'metrics_unreadable')
  running['llama'] = 64
  const unreadable = (): Promise<number> => count('inferq_backend_metrics_unreadable_total')
  const before = await unreadable()
  await until(async () => (await unreadable()) >= before + 5)
  expect(caps.get('llama')).toBe(32)
  expect(gate.view('llama').slots).toBe(64)
  running['llama'] = 32
  backend.load = { waiting: 0, running: 1, kvUsage: 0 }
  await until(() => caps.get('llama') === 64)
  expect(await count('inferq_gate_changes_total', 'reason="room"')).toBeGreaterThan(1)
})

it('serves a backend that never told its load up to what is configured', async () => {
  backend.load = null
  running['llama'] = 1
  await until(() => caps.get('llama') === 64)
  expect(gate.view('llama')).toEqual({ held: 'metrics_unreadable', load: null, slots: 64 })
})

it('cuts a class for a refusal; not one without a load whose upstream says when to come back', async () => {
  running = { llama: 10, cloud: 10 }
  waiting = 0
  const busy = { code: 'upstream_overloaded', message: 'busy' } as const
  gate.rejected('cloud', { ...busy, retryAfterSeconds: 5 })
  gate.rejected('llama', { ...busy, retryAfterSeconds: 5 })
  await until(() => caps.get('llama') === 7)
  expect(caps.get('cloud')).toBeNull()
  gate.rejected('cloud', busy)
  await until(() => caps.get('cloud') === 7)
  expect(gate.view('cloud').held).not.toBeNull()
  // It comes to that again, as far as is known.
  expect(gate.view('llama').slots).toBe(7)
})

/** The sum of a metric's samples, of those with this label. */
async function count(name: string, label = ''): Promise<number> {
  const lines = (await metrics.render()).split('\n')
  const own = lines.filter((line) => line.startsWith(name) && line.includes(label))
  return own.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
