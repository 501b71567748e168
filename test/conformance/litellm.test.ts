import { createSseReader } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type System, startSystem } from './system.ts'

let system: System

beforeAll(async () => {
  system = await startSystem(`
model_list:
  - model_name: chat
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1", input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: first
    litellm_params: {model: vllm/failing, api_base: "\${SIMULATOR}/v1"}
router_settings: {fallbacks: [{first: [chat]}], num_retries: 0}
workers: {drain_s: 3}
breaker: {enabled: false}
`)
})
afterAll(() => system.stack.close())

const messages = [{ role: 'user', content: 'Hi' }]

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${system.ingress.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${system.key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

describe("scripts written for LiteLLM's proxy", () => {
  it('find its headers', async () => {
    const response = await post('/chat/completions', { model: 'chat', messages })
    expect(response.status).toBe(200)
    const { headers } = response
    expect(headers.get('x-litellm-call-id')).toMatch(/^job_/)
    expect(headers.get('x-litellm-model-group')).toBe('chat')
    expect(headers.get('x-litellm-model-id')).toBe(headers.get('x-inferq-deployment'))
    expect(Number(headers.get('x-litellm-response-cost'))).toBeGreaterThan(0)
    expect(headers.get('x-litellm-attempted-retries')).toBe('0')
    expect(headers.get('x-litellm-attempted-fallbacks')).toBe('0')
    expect(Number(headers.get('x-litellm-response-duration-ms'))).toBeGreaterThan(0)
    expect(Number(headers.get('x-litellm-overhead-duration-ms'))).toBeGreaterThanOrEqual(0)
  })

  it('see in them that a fallback answered', async () => {
    system.stack.simulator.script('failing', { fault: 500 })
    const response = await post('/v1/chat/completions', { model: 'first', messages })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-litellm-attempted-fallbacks')).toBe('1')
    expect(response.headers.get('x-litellm-model-group')).toBe('first')
    expect(response.headers.get('x-inferq-model')).toBe('chat')
  })

  it('reach the paths of older clients, where the path names the model', async () => {
    for (const path of ['/engines/chat/chat/completions', '/openai/deployments/chat/chat/completions?api-version=1']) {
      const response = await post(path, { messages })
      expect([path, response.status]).toEqual([path, 200])
      expect(await response.json()).toMatchObject({ object: 'chat.completion', model: 'chat' })
    }
  })

  it('may use x-api-key, and send its metadata with tags', async () => {
    const body = { model: 'chat', messages, metadata: { tags: ['nightly'] }, tags: ['nightly'] }
    const response = await post('/v1/chat/completions', body, { authorization: '', 'x-api-key': system.key })
    expect(response.status).toBe(200)
  })

  it('read the model list, the model info and the cost of a call', async () => {
    const get = async (path: string): Promise<unknown> =>
      (await fetch(`${system.ingress.url}${path}`, { headers: { authorization: `Bearer ${system.key}` } })).json()
    expect(await get('/models')).toMatchObject({ object: 'list', data: [{ id: 'chat' }, { id: 'first' }] })
    expect(await get('/model/info')).toMatchObject({ data: [{ model_name: 'chat' }, { model_name: 'first' }] })
    expect(await get('/model_group/info')).toMatchObject({ data: [{ model_group: 'chat' }, { model_group: 'first' }] })
    const cost = await post('/spend/calculate', { model: 'chat', messages })
    expect(await cost.json()).toMatchObject({ cost: expect.any(Number) })
  })

  it('stream by server-sent events that end with [DONE]', async () => {
    const reader = await createSseReader(`${system.ingress.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', messages, stream: true }),
    })
    expect(await reader.ended).toBe('clean')
    expect(reader.events.at(-1)?.data).toBe('[DONE]')
  })
})
