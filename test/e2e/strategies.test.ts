import { until } from '@inferq/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

/** One model with two deployments of a class each, one strategy by header; the names of the upstreams say which is which. */
const strategies = ['simple-shuffle', 'round-robin', 'least-busy', 'latency-based', 'usage-based', 'cost-optimized']
const deployment = (model: string, name: string, params: string, price: string) =>
  `  - {model_name: ${model}, litellm_params: {model: openai/${name}, api_base: "\${SIMULATOR}/v1", api_key: sk-test, ${params}}, model_info: {class: ${name}, input_cost_per_token: ${price}, output_cost_per_token: ${price}}}`
const config = `
model_list:
${deployment('m', 'heavy', 'weight: 3', '0.00001')}
${deployment('m', 'light', 'weight: 1', '0.000001')}
${deployment('timed', 'quick', 'weight: 1', '0.000001')}
${deployment('timed', 'slow', 'weight: 1', '0.000001')}
${deployment('limited', 'roomy', 'tpm: 10000000', '0.000001')}
${deployment('limited', 'narrow', 'tpm: 10000', '0.000001')}
${deployment('limited', 'closed', 'rpm: 1', '0.000001')}
routing:
${[...strategies, 'hybrid'].map((name) => `  - {feature: ${name}, strategy: ${name}}`).join('\n')}
workers: {drain_s: 3}
breaker: {enabled: false}
`

let stack: Stack
let ingress: ServiceProcess

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
})
beforeEach(() => stack.simulator.reset())
afterAll(() => stack.close())

async function send(feature: string, model: string): Promise<string> {
  const response = await fetch(`${ingress.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.masterKey}`,
      'content-type': 'application/json',
      'x-inferq-feature': feature,
    },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 20 }),
  })
  expect(response.status).toBe(200)
  expect(response.headers.get('x-inferq-route')).toMatch(/^routing\[\d\]$/)
  return response.headers.get('x-inferq-deployment') ?? ''
}

/** How many of so many requests, `atOnce` at a time, each deployment has answered. */
async function spread(feature: string, count: number, atOnce = 8, model = 'm'): Promise<Record<string, number>> {
  const answered: Record<string, number> = {}
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const name = (await send(feature, model)).split('/').at(-1) ?? ''
      answered[name] = (answered[name] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return answered
}

const heavyShare = async (feature: string, count: number, atOnce = 8): Promise<number> =>
  ((await spread(feature, count, atOnce))['heavy'] ?? 0) / count

describe('requests go to deployments', () => {
  it('by weight, shuffled', async () => {
    // 400 draws at 0.75: five standard deviations are 0.11.
    expect(Math.abs((await heavyShare('simple-shuffle', 400)) - 0.75)).toBeLessThan(0.11)
  })

  it('in turn', async () => {
    expect(await heavyShare('round-robin', 40, 1)).toBe(0.5)
  })

  it('where less is under way', async () => {
    stack.simulator.script('heavy', { ttftMs: 400 })
    stack.simulator.script('light', { ttftMs: 5 })
    expect(await heavyShare('least-busy', 150)).toBeLessThan(0.5)
  })

  it('where answers begin sooner', async () => {
    stack.simulator.script('quick', { ttftMs: 5 })
    stack.simulator.script('slow', { ttftMs: 250 })
    const quickShare = async (count: number) =>
      ((await spread('latency-based', count, 8, 'timed'))['quick'] ?? 0) / count
    await until(async () => (await quickShare(40)) > 0.85, { everyMs: 200 })
    // Five in a hundred look at the slower one again.
    expect(await quickShare(100)).toBeGreaterThan(0.8)
  })

  it('where less of the limit is used, and never beyond it', async () => {
    for (const model of ['roomy', 'narrow', 'closed']) {
      stack.simulator.script(model, { usage: { prompt_tokens: 100, completion_tokens: 10 } })
    }
    // Processes tell each other once a second what they have used.
    const isKnown = async () => ((await spread('usage-based', 10, 2, 'limited'))['roomy'] ?? 0) === 10
    await until(isKnown, { everyMs: 200 })
    expect(await spread('usage-based', 60, 4, 'limited')).toEqual({ roomy: 60 })
  })

  it('where they cost least', async () => {
    expect(await heavyShare('cost-optimized', 40)).toBe(0)
  })

  it('by all of it together', async () => {
    stack.simulator.script('heavy', { ttftMs: 200 })
    stack.simulator.script('light', { ttftMs: 5 })
    await until(async () => (await heavyShare('hybrid', 12)) < 0.1, { everyMs: 200 })
    expect(await heavyShare('hybrid', 60)).toBeLessThan(0.3)
  })
})
