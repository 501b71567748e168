import type { JobView } from '@inferq/contracts'
import { createSseReader, type SseEvent, until } from '@inferq/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

/** Port 9 (discard) refuses connections. */
const config = `
model_list:
  - {model_name: first, litellm_params: {model: openai/first, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: one, input_cost_per_token: 0.000002, output_cost_per_token: 0.000004}}
  - {model_name: second, litellm_params: {model: openai/second, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: two, input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}}
  - {model_name: third, litellm_params: {model: openai/third, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: two}}
  - {model_name: lonely, litellm_params: {model: openai/lonely, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: two}}
  - {model_name: refused, litellm_params: {model: openai/refused, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}, model_info: {class: gone}}
  - {model_name: wide, litellm_params: {model: openai/wide, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: two}}
  - {model_name: lenient, litellm_params: {model: openai/lenient, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: two}}
  - {model_name: ordered, litellm_params: {model: openai/preferred, api_base: "\${SIMULATOR}/v1", api_key: sk-test, order: 1}, model_info: {class: two}}
  - {model_name: ordered, litellm_params: {model: openai/reserve, api_base: "\${SIMULATOR}/v1", api_key: sk-test, order: 2}, model_info: {class: two}}
  - {model_name: vllm-a, litellm_params: {model: vllm/vllm-a, api_base: "\${SIMULATOR}"}}
  - {model_name: vllm-b, litellm_params: {model: vllm/vllm-b, api_base: "\${SIMULATOR}"}}
  - {model_name: cheap, litellm_params: {model: openai/cheap, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: two, input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}}
  - {model_name: good, litellm_params: {model: openai/good, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: one, input_cost_per_token: 0.00001, output_cost_per_token: 0.00001}}
router_settings:
  num_retries: 1
  # The breaker has tests of its own.
  disable_cooldowns: true
  fallbacks: [{first: [second, third]}, {refused: [second]}, {ordered: []}, {vllm-a: [vllm-b]}, {cheap: []}, {good: []}, {second: []}, {third: []}, {wide: []}, {lenient: []}, {vllm-b: []}]
  context_window_fallbacks: [{first: [wide]}]
  content_policy_fallbacks: [{first: [lenient]}]
  default_fallbacks: [third]
routing:
  - {name: careful, condition: "model == 'careful'", cascade: [cheap, good]}
workers: {drain_s: 3}
`

let stack: Stack
let ingress: ServiceProcess
let headers: Record<string, string>

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
})
afterEach(() => stack.simulator.reset())
afterAll(() => stack.close())

const hi = [{ role: 'user', content: 'Hi' }]

async function chat(model: string, body: object = {}, more: Record<string, string> = {}) {
  const response = await fetch(`${ingress.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...headers, ...more },
    body: JSON.stringify({ model, messages: hi, ...body }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) }
}

async function submit(request: object): Promise<JobView> {
  const body = JSON.stringify({ type: 'completion', request: { messages: hi, ...request } })
  const response = await fetch(`${ingress.url}/v1/jobs`, { method: 'POST', headers, body })
  expect(response.status).toBe(202)
  return (await response.json()) as JobView
}

async function ended(id: string): Promise<JobView> {
  return until(
    async () => {
      const job = (await (await fetch(`${ingress.url}/v1/jobs/${id}`, { headers })).json()) as JobView
      return ['queued', 'in_progress'].includes(job.status) ? null : job
    },
    { what: `the end of ${id}` },
  )
}

/** The text of an OpenAI stream, and whether it ended as one. */
function read(stream: string): { text: string; isWhole: boolean; error?: { code: string } } {
  const events = stream.split('\n\n').filter((event) => event.startsWith('data: '))
  const chunks = events.filter((event) => event !== 'data: [DONE]').map((event) => JSON.parse(event.slice(6)))
  const text = chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join('')
  const { error } = chunks.find((chunk) => chunk.error) ?? {}
  return { text, isWhole: events.at(-1) === 'data: [DONE]', ...(error ? { error } : {}) }
}

const calls = (model: string): number => stack.simulator.stats().models[model]?.calls ?? 0

describe('a failing upstream', () => {
  it('is tried as often as configured, then the fallback answers and the headers say so', async () => {
    stack.simulator.script('first', { fault: { status: 500 } })
    stack.simulator.script('second', { text: 'from the second' })
    const answer = await chat('first')
    expect(answer.json().choices[0].message.content).toBe('from the second')
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-inferq-model': 'second',
      'x-inferq-deployment': 'second/openai/second',
      'x-inferq-attempts': '3',
      'x-inferq-fallbacks': '1',
      'x-litellm-attempted-fallbacks': '1',
    })
    expect([calls('first'), calls('second')]).toEqual([2, 1])
  })

  it('that fails before its first token is no failure of the stream', async () => {
    stack.simulator.script('first', { fault: { status: 500 } })
    stack.simulator.script('second', { text: 'streamed by the second' })
    const answer = await chat('first', { stream: true })
    expect(answer.status).toBe(200)
    expect(read(answer.text)).toEqual({ text: 'streamed by the second', isWhole: true })
    expect(answer.headers.get('x-inferq-deployment')).toBe('second/openai/second')
  })

  it('that refuses connections is left for its fallback within 3 s', async () => {
    stack.simulator.script('second', { text: 'reached' })
    const startedAt = performance.now()
    const answer = await chat('refused')
    expect(answer.json().choices[0].message.content).toBe('reached')
    expect(performance.now() - startedAt).toBeLessThan(8_000)
  })

  it('without a fallback of its own has the default ones', async () => {
    stack.simulator.script('lonely', { fault: { status: 500 } })
    stack.simulator.script('third', { text: 'by default' })
    expect((await chat('lonely')).json().choices[0].message.content).toBe('by default')
  })

  it('of a lower order comes first, the next order after it', async () => {
    stack.simulator.script('preferred', { text: 'preferred' })
    stack.simulator.script('reserve', { text: 'reserve' })
    for (let i = 0; i < 5; i++) expect((await chat('ordered')).text).toContain('"preferred"')
    stack.simulator.script('preferred', { fault: { status: 500 } })
    expect((await chat('ordered')).json().choices[0].message.content).toBe('reserve')
  })
})

describe('a prompt too long, and an answer refused by a content policy,', () => {
  it('lead to the fallbacks made for them, at once', async () => {
    stack.simulator.script('wide', { text: 'room enough' })
    stack.simulator.script('lenient', { text: 'no objection' })
    stack.simulator.script('first', { fault: { status: 400, code: 'context_length_exceeded' } })
    expect((await chat('first')).json().choices[0].message.content).toBe('room enough')
    stack.simulator.script('first', { fault: null, contentFilter: true })
    expect((await chat('first')).json().choices[0].message.content).toBe('no objection')
    expect(calls('first')).toBe(2)
    expect(calls('second')).toBe(0)
  })

  it('are real status codes to a streaming client where nothing else can serve', async () => {
    stack.simulator.script('third', { fault: { status: 400, code: 'context_length_exceeded' } })
    const answer = await chat('third', { stream: true })
    expect(answer.status).toBe(400)
    expect(answer.json().error).toMatchObject({ code: 'context_length_exceeded' })
  })
})

describe('a job whose candidates all fail', () => {
  it("fails with every attempt's reason; the client gets the first candidate's class of error", async () => {
    stack.simulator.script('first', { fault: { status: 401, message: 'no such key' } })
    stack.simulator.script('second', { fault: { status: 500, message: 'second is broken' } })
    stack.simulator.script('third', { fault: { status: 500, message: 'third is broken' } })
    const answer = await chat('first')
    expect(answer.status).toBe(502)
    expect(answer.json().error.code).toBe('upstream_authentication')
    for (const name of ['first/openai/first', 'second/openai/second', 'third/openai/third']) {
      expect(answer.json().error.message).toContain(name)
    }
    expect(answer.headers.get('x-inferq-fallbacks')).toBe('2')

    const job = await ended((await submit({ model: 'first' })).id)
    expect(job.status).toBe('failed')
    expect(job.error?.code).toBe('upstream_authentication')
    expect(job.attempts.map(({ deployment, outcome }) => `${deployment} ${outcome}`)).toEqual([
      'first/openai/first fallback',
      'second/openai/second retried',
      'second/openai/second fallback',
      'third/openai/third retried',
      'third/openai/third failed',
    ])
    expect(job.attempts.every(({ error }) => error !== null)).toBe(true)
  })
})

describe('an upstream that breaks off in mid-answer', () => {
  const words = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ')

  it('is gone on with where the next deployment can: the stream shows the whole answer once', async () => {
    stack.simulator.script('vllm-a', { text: words, cutAfter: 12, interTokenMs: 5 })
    stack.simulator.script('vllm-b', { text: words, interTokenMs: 2 })
    const answer = await chat('vllm-a', { stream: true, stream_options: { include_usage: true } })
    expect(read(answer.text)).toEqual({ text: words, isWhole: true })
    expect(stack.simulator.stats().models['vllm-b']?.continued).toBe(1)
  })

  it('says so in the attempts and in the events, and the kept answer is whole', async () => {
    stack.simulator.script('vllm-a', { text: words, cutAfter: 12, interTokenMs: 5 })
    stack.simulator.script('vllm-b', { text: words, interTokenMs: 2 })
    const { id } = await submit({ model: 'vllm-a' })
    const reader = await createSseReader(`${ingress.url}/v1/jobs/${id}/events`, { headers })
    await until(() => reader.events.some(({ event }) => event === 'job.completed'))
    const names = reader.events.map(({ event }) => event)
    expect(names).toContain('output.continued')
    expect(names).not.toContain('output.reset')
    expect(textOf(reader.events)).toBe(words)
    const job = await ended(id)
    expect((job.result as { choices: { message: { content: string } }[] }).choices[0]?.message.content).toBe(words)
    expect(job.attempts.map(({ continued }) => continued)).toContain(true)
    expect(job.usage?.estimated).toBe(true)
    expect(job.usage?.completion_tokens).toBeGreaterThan(40)
  })

  it('starts over where it cannot: native readers are told, OpenAI readers get an error', async () => {
    stack.simulator.script('first', { text: words, cutAfter: 12, interTokenMs: 20 })
    stack.simulator.script('second', { text: 'all anew' })
    const { id } = await submit({ model: 'first' })
    const reader = await createSseReader(`${ingress.url}/v1/jobs/${id}/events`, { headers })
    await until(() => reader.events.some(({ event }) => event === 'job.completed'))
    expect(reader.events.map(({ event }) => event)).toContain('output.reset')
    expect(textOf(reader.events)).toBe('all anew')

    const answer = await chat('first', { stream: true })
    expect(read(answer.text)).toMatchObject({ isWhole: false, error: { code: 'stream_interrupted' } })
  })
})

describe('a cascade', () => {
  it('takes the cheap answer where it will do, and shows it as any other', async () => {
    stack.simulator.script('cheap', { text: 'four', logprob: -0.1 })
    const answer = await chat('careful', { stream: true })
    expect(read(answer.text)).toEqual({ text: 'four', isWhole: true })
    expect(calls('good')).toBe(0)
    expect(answer.headers.get('x-inferq-route')).toBe('careful')
  })

  it('asks the better model at a sign that it will not, and nobody sees the first answer', async () => {
    stack.simulator.script('cheap', { text: 'the rejected answer', finishReason: 'length' })
    stack.simulator.script('good', { text: 'the better answer' })
    const answer = await chat('careful', { stream: true })
    expect(read(answer.text)).toEqual({ text: 'the better answer', isWhole: true })
    const job = await ended((await submit({ model: 'careful' })).id)
    expect(job.attempts.map(({ deployment, error }) => [deployment, error?.code ?? null])).toEqual([
      ['cheap/openai/cheap', 'answer_rejected'],
      ['good/openai/good', null],
    ])
    const costs = job.attempts.map(({ cost_usd }) => cost_usd ?? 0)
    expect(costs.every((cost) => cost > 0)).toBe(true)
    expect(job.cost_usd).toBeCloseTo((costs[0] ?? 0) + (costs[1] ?? 0), 9)
  })

  it('has json checked only where json was asked for', async () => {
    stack.simulator.script('cheap', { text: 'not json' })
    stack.simulator.script('good', { text: '{"ok":true}' })
    expect((await chat('careful')).json().choices[0].message.content).toBe('not json')
    const answer = await chat('careful', { response_format: { type: 'json_object' } })
    expect(answer.json().choices[0].message.content).toBe('{"ok":true}')
  })
})

it('an answer costs what its tokens cost, to the nano-dollar', async () => {
  stack.simulator.script('first', { text: 'ok', usage: { prompt_tokens: 1_001, completion_tokens: 7 } })
  const answer = await chat('first')
  expect(answer.headers.get('x-inferq-cost')).toBe('0.00203')
  const job = await ended((await submit({ model: 'first' })).id)
  expect(job.cost_usd).toBe(0.00203)
})

function textOf(events: readonly SseEvent[]): string {
  const reset = events.map(({ event }) => event).lastIndexOf('output.reset')
  return events
    .slice(reset + 1)
    .filter(({ event }) => event === 'output.delta')
    .map(({ data }) => (JSON.parse(data) as { text?: string }).text ?? '')
    .join('')
}
