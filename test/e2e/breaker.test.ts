import { createSimulator, type Simulator } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

/** Circuits open after 3 failures, for 20 s. Upstreams that come and go are simulators of their own, by port. */
const config = `
model_list:
  - {model_name: alone, litellm_params: {model: openai/alone, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: one}}
  - {model_name: limited, litellm_params: {model: openai/limited, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: one}}
  - {model_name: mortal, litellm_params: {model: openai/mortal, api_base: "\${MORTAL}/v1", api_key: sk-test}, model_info: {class: two}}
  - {model_name: reserve, litellm_params: {model: openai/reserve, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: one}}
router_settings: {num_retries: 2, allowed_fails: 3, cooldown_time: 20, fallbacks: [{mortal: [reserve]}]}
workers: {drain_s: 3}
`

let mortal: Simulator
let stack: Stack
let ingresses: ServiceProcess[]
let headers: Record<string, string>

beforeAll(async () => {
  mortal = createSimulator()
  await mortal.start()
  stack = await startStack(config, { variables: () => ({ MORTAL: mortal.url }) })
  const started = [stack.startIngress(), stack.startIngress(), stack.startWorker(), stack.startWorker()]
  ingresses = (await Promise.all([...started, stack.startController()])).slice(0, 2)
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
})
afterAll(async () => {
  await stack.close()
  await mortal.stop()
})

async function chat(ingress: number, model: string): Promise<Response> {
  return fetch(`${ingresses[ingress]?.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] }),
  })
}

const calls = (model: string): number => stack.simulator.stats().models[model]?.calls ?? 0

describe('a circuit', () => {
  it('opens for both workers; who has nowhere else to go waits at either ingress while one probes', async () => {
    stack.simulator.script('alone', { fault: { status: 500 } })
    // Three tries: the third failure in a row opens the circuit.
    expect((await chat(0, 'alone')).status).toBe(502)
    expect(calls('alone')).toBe(3)
    const many = Array.from({ length: 10 }, (_, i) => chat(i % 2, 'alone'))
    await until(() => calls('alone') > 3, { what: 'a probe' })
    stack.simulator.script('alone', { fault: null, text: 'back again', ttftMs: 150 })
    const answers = await Promise.all(many)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    // The tries of one, a probe or two that failed, and one call for each answer.
    expect(calls('alone')).toBeLessThanOrEqual(3 + 2 + 10)
  })

  it('opens at a 429 for just as long as it asks', async () => {
    stack.simulator.script('limited', { fault: { status: 429, retryAfterS: 30 } })
    const first = await chat(0, 'limited')
    expect(first.status).toBe(429)
    expect(calls('limited')).toBe(1)
    await until(async () => (await chat(1, 'limited')).status === 503, { what: 'the other ingress to know' })
    const retryAfter = Number((await chat(1, 'limited')).headers.get('retry-after'))
    expect(retryAfter).toBeGreaterThan(20)
    expect(retryAfter).toBeLessThanOrEqual(30)
    expect(calls('limited')).toBe(1)
  })

  it('opens when connections are refused; while it is, the fallback answers without delay', async () => {
    stack.simulator.script('reserve', { text: 'from the reserve' })
    expect((await chat(0, 'mortal')).headers.get('x-inferq-model')).toBe('mortal')
    await mortal.stop()
    const startedAt = performance.now()
    expect((await chat(0, 'mortal')).headers.get('x-inferq-model')).toBe('reserve')
    expect(performance.now() - startedAt).toBeLessThan(8_000)
    await until(async () => (await chat(1, 'mortal')).headers.get('x-inferq-attempts') === '1')
    const health = await fetch(`${ingresses[1]?.url}/health?model=mortal`, { headers })
    expect(await health.json()).toMatchObject({
      unhealthy_count: 1,
      unhealthy_endpoints: [{ deployment: 'mortal/openai/mortal', circuit: expect.objectContaining({}) }],
    })
    const told = /inferq_deployment_circuit\{deployment="mortal\/openai\/mortal"\} [12]/
    await until(async () => told.test(await (await fetch(`${ingresses[0]?.url}/metrics`)).text()))
    const models = await (await fetch(`${ingresses[0]?.url}/v1/models/mortal`, { headers })).json()
    expect(JSON.stringify(models)).toMatch(/"state":"(open|half_open)"/)
  })
})
