import type { ErrorDetail, JobView } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { call } from './support/http.ts'

const deployment = (name: string, more = '') =>
  `  - {model_name: ${name}, litellm_params: {model: openai/${name}, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}, model_info: {class: gpu${more}}}`

const yaml = `
health_checks: {timeout_s: 5}
model_list:
${deployment('small', ', input_cost_per_token: 0.000001, output_cost_per_token: 0.000002')}
${deployment('large', ', context_window: 1000')}
${deployment('experiment')}
${deployment('vectors', ', mode: embedding')}
router_settings: {allowed_fails: 1, cooldown_time: 30, fallbacks: [{large: [small]}]}
routing:
  - {name: premium, condition: "user_tier == 'premium'", model: large}
  - {name: trial, task: trial, split: {experiment: 100}}
`

let bench: Bench
beforeEach(async () => {
  bench = await createBench({ yaml })
})
afterEach(() => bench.close())

const messages = [{ role: 'user', content: 'Hi' }]
const chat = (json: object, headers: Record<string, string> = {}) =>
  call(`${bench.url}/v1/chat/completions`, { json: { messages, ...json }, headers })
const explain = async (json: object, headers: Record<string, string> = {}) =>
  (await (await call(`${bench.url}/v1/route/explain`, { json, headers })).json()) as Record<string, unknown>

/** One failure opens a circuit here. */
const broken: ErrorDetail = { code: 'upstream_error', message: 'broken' }
const leftAlone: ErrorDetail = { code: 'rate_limit_exceeded', message: 'later', retryAfterSeconds: 30 }

async function breakDown(id: string, error = broken): Promise<void> {
  const admission = await bench.health.admit(id)
  if (admission.kind === 'admitted') admission.call.failed(error)
  await until(() => bench.health.circuit(id).state === 'open')
}

describe('a request', () => {
  it('goes where the first rule that matches sends it, and its answer says so', async () => {
    const answered = chat({ model: 'small', metadata: { task_type: 'trial' } })
    const { candidates, route, id } = await bench.nextExchange()
    expect(candidates.map(({ model }) => model)).toEqual(['experiment'])
    expect(route).toMatchObject({ rule: 'trial', variant: 'experiment' })
    const attempt = await bench.begin(id)
    await attempt.end('completed', { result: { object: 'chat.completion', choices: [] }, costNanoUsd: 1_230 })
    const { headers } = await answered
    expect(headers.get('x-inferq-route')).toBe('trial')
    expect(headers.get('x-inferq-variant')).toBe('experiment')
    expect(headers.get('x-inferq-model')).toBe('experiment')
    expect(headers.get('x-inferq-cost')).toBe('0.00000123')
    await until(() => bench.lines.find((line) => line['event'] === 'request-end' && line['variant'] === 'experiment'))
  })

  it('is told by header what it is, too; an alias or a made-up model will do where a rule names another', async () => {
    chat({ model: 'anything' }, { 'x-inferq-user-tier': 'premium' }).catch(() => {})
    const { candidates } = await bench.nextExchange()
    expect(candidates.map(({ model }) => model)).toEqual(['large', 'small'])
  })

  it('too long for every model is refused before it waits', async () => {
    const long = [{ role: 'user', content: 'word '.repeat(4_000) }]
    const alone = await createBench({ yaml: `model_list:\n${deployment('large', ', context_window: 1000')}` })
    try {
      const response = await call(`${alone.url}/v1/chat/completions`, { json: { model: 'large', messages: long } })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { code: 'context_length_exceeded', param: 'messages' } })
    } finally {
      await alone.close()
    }
    chat({ model: 'large', messages: long }).catch(() => {})
    expect((await bench.nextExchange()).candidates.map(({ model }) => model)).toEqual(['small'])
  })

  it('that may cost no more than so much leaves out what costs more, or what nobody knows', async () => {
    const dear = await chat({ model: 'small', max_tokens: 1_000 }, { 'x-inferq-max-cost': '0.001' })
    expect(dear.status).toBe(400)
    expect(await dear.json()).toMatchObject({ error: { code: 'cost_limit_exceeded' } })
    expect((await chat({ model: 'experiment' }, { 'x-inferq-max-cost': '1' })).status).toBe(400)
    expect((await chat({ model: 'small' }, { 'x-inferq-max-cost': 'much' })).status).toBe(400)
    chat({ model: 'small', max_tokens: 10 }, { 'x-inferq-max-cost': '0.001' }).catch(() => {})
    expect((await bench.nextExchange()).candidates).toHaveLength(1)
  })
})

describe('an open circuit', () => {
  it('is passed over at once; where nothing else can serve, who waits is told when to come back', async () => {
    await breakDown('large/openai/large')
    chat({ model: 'large' }).catch(() => {})
    expect((await bench.nextExchange()).candidates[0]?.model).toBe('small')

    await breakDown('experiment/openai/experiment', leftAlone)
    const response = await chat({ model: 'experiment' })
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(20)
    expect(await response.json()).toMatchObject({ error: { code: 'circuit_open', type: 'server_error' } })
  })

  it('that will let a probe through soon is waited for in the queue, where nothing else can serve', async () => {
    await breakDown('experiment/openai/experiment')
    chat({ model: 'experiment' }).catch(() => {})
    const { candidates, isAwaited } = await bench.nextExchange()
    expect(candidates[0]?.model).toBe('experiment')
    expect(isAwaited).toBe(true)
  })

  it('opens for every ingress', async () => {
    const other = await bench.anotherIngress()
    await breakDown('experiment/openai/experiment', leftAlone)
    const json = { model: 'experiment', messages }
    // A request that came before the news would wait for a worker.
    await until(async () => {
      const told = await (await call(`${other.url}/v1/route/explain`, { json })).text()
      return told.includes('"state":"open"')
    })
    expect((await call(`${other.url}/v1/chat/completions`, { json })).status).toBe(503)
  })
})

describe('explaining', () => {
  it('tells rules, facts, deployments, prices and fallbacks of a real body, and queues nothing', async () => {
    await breakDown('large/openai/large')
    const told = await explain({ model: 'small', messages, max_tokens: 100 }, { 'x-inferq-user-tier': 'premium' })
    expect(told).toMatchObject({
      object: 'route.explanation',
      operation: 'chat',
      decision: { kind: 'candidates', note: { rule: 'premium' }, candidates: [{ model: 'small' }, { model: 'large' }] },
      facts: { user_tier: 'premium', model: 'small' },
      rules: [
        { rule: 'premium', outcome: 'matched', place: expect.stringMatching(/^test\.yaml:\d+$/) },
        { rule: 'trial', outcome: 'not_reached' },
      ],
    })
    const deployments = told['deployments'] as { deployment: string; circuit: { state: string }; outcome: string }[]
    expect(deployments.find(({ deployment }) => deployment === 'large/openai/large')).toMatchObject({
      circuit: { state: 'open' },
      estimatedCostUsd: null,
    })
    expect(deployments.find(({ deployment }) => deployment === 'small/openai/small')).toMatchObject({
      estimatedCostUsd: expect.any(Number),
    })
    // The model of the rule cannot be called now: its fallback comes first.
    expect(JSON.stringify(told['fallbacks'])).toContain('large')
    expect((await bench.queue.depth('gpu')).waiting).toBe(0)
  })

  it('explains a refusal as well, and each kind of body', async () => {
    expect(await explain({ model: 'nobody', messages })).toMatchObject({
      decision: { kind: 'refused', error: { code: 'model_not_found' } },
    })
    expect(await explain({ model: 'vectors', input: 'a' })).toMatchObject({ operation: 'embeddings' })
    expect(await explain({ model: 'small', prompt: 'a' })).toMatchObject({ operation: 'text' })
    expect(await explain({ model: 'small', text: 'a' })).toMatchObject({ operation: 'summary' })
  })

  it('refuses what is no request, and callers who are no operators', async () => {
    const post = (json: object, key?: string) =>
      call(`${bench.url}/v1/route/explain`, { json, ...(key === undefined ? {} : { key }) })
    expect((await post({ model: 'small' })).status).toBe(400)
    const bad = await post({ model: 'small', messages: 'hello' })
    expect(bad.status).toBe(400)
    expect(await bad.json()).toMatchObject({ error: { param: 'messages' } })
    expect((await post({ model: 'small', messages }, otherKey)).status).toBe(403)
  })
})

it('health calls a deployment by a job of its own, once for all who ask meanwhile', async () => {
  const asked = Promise.all([call(`${bench.url}/health?model=small`), call(`${bench.url}/health?model=small`)])
  const job = await until(async () => {
    const keys = await bench.redis.keys(bench.server.keys.job('job_*'))
    const ids = keys.map((key) => key.split(':').at(-1) ?? '').filter((id) => id.startsWith('job_'))
    return ids.length === 1 ? ids[0] : null
  })
  const attempt = await bench.begin(job)
  expect(attempt.spec).toMatchObject({ tier: 'priority', owner: 'inferq-health', request: { max_tokens: 16 } })
  await attempt.end('completed', { result: { object: 'chat.completion', choices: [] } })
  for (const response of await asked) {
    expect(await response.json()).toMatchObject({
      healthy_count: 1,
      healthy_endpoints: [{ deployment: 'small/openai/small' }],
      unhealthy_count: 0,
    })
  }
})

it('a job tells its route, and what each attempt used and cost', async () => {
  const spec = await bench.submit({ route: { strategy: 'simple-shuffle', rule: 'premium', reason: 'a rule' } })
  const attempt = await bench.begin(spec.id)
  await attempt.say('Hello')
  await attempt.end('completed', { usage: { promptTokens: 3, completionTokens: 1 }, costNanoUsd: 5_000 })
  const job = (await (await call(`${bench.url}/v1/jobs/${spec.id}`)).json()) as JobView
  expect(job).toMatchObject({
    route: { rule: 'premium', variant: null },
    cost_usd: 0.000005,
    attempts: [{ continued: false, usage: null, cost_usd: null }],
  })
})
