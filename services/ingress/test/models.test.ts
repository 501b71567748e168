import { until } from '@inferq/testkit'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, masterKey, otherKey } from './support/bench.ts'
import { call } from './support/http.ts'

const yaml = `
model_list:
  - model_name: assistant
    litellm_params: {model: openai/gpt-4o, api_key: sk-secret-1}
  - model_name: assistant
    litellm_params: {model: openai/house, api_base: "http://127.0.0.1:9/v1", api_key: sk-secret-2, input_cost_per_token: 0.0000001, output_cost_per_token: 0.0000002}
    model_info: {class: gpu, mode: chat, context_window: 8192}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*", api_key: sk-secret-3}
router_settings: {allowed_fails: 1, model_group_alias: {helper: assistant, ghost: {model: assistant, hidden: true}}}
`

interface ModelBody {
  readonly id: string
  readonly inferq: {
    readonly price: Record<string, unknown> | null
    readonly deployments?: { readonly id: string; readonly upstream_model: string; readonly circuit: object }[]
  } & Record<string, unknown>
}

let bench: Bench

beforeEach(async () => {
  bench = await createBench({ yaml })
})
afterEach(() => bench.close())

const get = async (path: string, key = masterKey): Promise<ModelBody> =>
  (await (await call(`${bench.url}${path}`, { key })).json()) as ModelBody

describe('the list of models', () => {
  it('has models, wildcards and aliases that are not hidden, with prices and windows', async () => {
    const { data } = (await get('/v1/models')) as unknown as { data: ModelBody[] }
    expect(data.map(({ id }) => id)).toEqual(['assistant', 'anthropic/*', 'helper'])
    expect(data[0]).toMatchObject({
      object: 'model',
      owned_by: 'inferq',
      inferq: {
        mode: 'chat',
        context_window: 128_000,
        price: { input_per_million_usd: 0.1, output_per_million_usd: 0.2, source: 'config' },
        capabilities: { tools: true, vision: true },
        wildcard: false,
      },
    })
    expect(data[1]?.inferq).toMatchObject({ wildcard: true, price: null, context_window: null })
    expect(data[2]?.inferq).toMatchObject({ alias_of: 'assistant', context_window: 128_000 })
  })

  it('shows deployments to operators alone, and secrets to nobody', async () => {
    const shown = await get('/v1/models/assistant')
    expect(shown.inferq.deployments).toMatchObject([
      {
        provider: 'openai',
        upstream_model: 'gpt-4o',
        price: { input_per_million_usd: 2.5, cached_input_per_million_usd: 1.25, source: 'catalog' },
        circuit: { state: 'closed', until: null, reason: null },
      },
      { class: 'gpu', upstream_model: 'house', context_window: 8192 },
    ])
    const open = await (await call(`${bench.url}/v1/models`, { key: otherKey })).text()
    expect(open).not.toContain('deployments')
    expect(open).not.toContain('house')
    expect(JSON.stringify(shown)).not.toContain('sk-secret')
    expect((await call(`${bench.url}/v1/models`, { key: null })).status).toBe(401)
  })

  it('shows a circuit that has opened', async () => {
    const id = (await get('/v1/models/assistant')).inferq.deployments?.[1]?.id ?? ''
    await until(async () => {
      const admission = await bench.core.health.admit(id)
      if (admission.kind === 'admitted') {
        admission.call.failed({ code: 'upstream_unreachable', message: 'connection refused' })
      }
      return bench.core.health.circuit(id).state === 'open'
    })
    const circuit = (await get('/v1/models/assistant')).inferq.deployments?.[1]?.circuit
    expect(circuit).toEqual({ state: 'open', until: expect.any(Number), reason: 'upstream_unreachable' })
  })
})

describe('one model', () => {
  it('is found by a name that a wildcard matches, with the price of what it means', async () => {
    const found = await get('/v1/models/anthropic/claude-3-5-sonnet-20241022')
    expect(found).toMatchObject({
      id: 'anthropic/claude-3-5-sonnet-20241022',
      inferq: {
        wildcard: false,
        context_window: 200_000,
        price: { input_per_million_usd: 3, output_per_million_usd: 15, source: 'catalog' },
        deployments: [{ upstream_model: 'claude-3-5-sonnet-20241022' }],
      },
    })
    expect((await get('/v1/models/anthropic%2Fclaude-unheard-of')).inferq.price).toBeNull()
  })

  it('is found by its aliases, hidden ones too, and by the pattern itself', async () => {
    expect((await get('/v1/models/ghost')).inferq['alias_of']).toBe('assistant')
    expect((await get('/v1/models/anthropic/*')).inferq['wildcard']).toBe(true)
  })

  it('that nobody has is not found', async () => {
    const response = await call(`${bench.url}/v1/models/nope`)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } })
  })
})

describe('the official client', () => {
  it('lists and retrieves', async () => {
    const client = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: masterKey, maxRetries: 0 })
    const names: string[] = []
    for await (const model of client.models.list()) names.push(model.id)
    expect(names).toContain('assistant')
    expect((await client.models.retrieve('helper')).object).toBe('model')
  })
})
