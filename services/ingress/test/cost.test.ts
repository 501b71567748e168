import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { call } from './support/http.ts'

const yaml = `
model_list:
  - model_name: dear
    litellm_params: {model: openai/a, api_key: sk, input_cost_per_token: 0.00001, output_cost_per_token: 0.00002, cache_read_input_token_cost: 0.000001}
    model_info: {mode: chat, context_window: 100000}
  - model_name: cheap
    litellm_params: {model: openai/b, api_key: sk, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {mode: chat, context_window: 4096}
  - model_name: unknown
    litellm_params: {model: openai/c, api_key: sk}
    model_info: {mode: chat}
`

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ yaml })
})
afterAll(() => bench.close())

const post = async (path: string, json: unknown, key?: string): Promise<{ status: number; body: unknown }> => {
  const response = await call(`${bench.url}${path}`, { json, ...(key === undefined ? {} : { key }) })
  return { status: response.status, body: await response.json() }
}

describe('POST /v1/cost/estimate', () => {
  it('compares models and names the cheapest that fits', async () => {
    const { status, body } = await post('/v1/cost/estimate', {
      prompt_tokens: 10_000,
      completion_tokens: 100,
      cached_tokens: 4000,
      requests: 10,
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      object: 'cost.estimate',
      prompt_tokens: 10_000,
      completion_tokens: 100,
      cached_tokens: 4000,
      requests: 10,
      models: [
        {
          model: 'cheap',
          cost_usd: 0.102,
          cost_per_request_usd: 0.0102,
          price_known: true,
          fits: false,
          context_window: 4096,
          deployment: 'cheap/openai/b',
        },
        {
          model: 'dear',
          cost_usd: 0.66,
          cost_per_request_usd: 0.066,
          price_known: true,
          fits: true,
          context_window: 100_000,
          deployment: 'dear/openai/a',
        },
        {
          model: 'unknown',
          cost_usd: null,
          cost_per_request_usd: null,
          price_known: false,
          fits: null,
          context_window: null,
          deployment: 'unknown/openai/c',
        },
      ],
      cheapest: 'dear',
    })
  })

  it('hides the deployments from those who are no operators', async () => {
    const { body } = await post('/v1/cost/estimate', { models: ['dear'], prompt_tokens: 1 }, otherKey)
    expect(body).toMatchObject({ models: [{ model: 'dear', deployment: null, price_known: true }] })
  })

  it.each([
    [{}, 400, 'prompt_tokens'],
    [{ prompt_tokens: '5' }, 400, 'prompt_tokens'],
    [{ prompt_tokens: -1 }, 400, 'prompt_tokens'],
    [{ prompt_tokens: 1, requests: 0 }, 400, 'requests'],
    [{ prompt_tokens: 1, completion_tokens: 1.5 }, 400, 'completion_tokens'],
    [{ prompt_tokens: 1, cached_tokens: 2 }, 400, 'cached_tokens'],
    [{ prompt_tokens: 1, models: [] }, 400, 'models'],
    [{ prompt_tokens: 1, models: ['dear', 'nope'] }, 404, 'models[1]'],
    [{ prompt_tokens: 1, mode: 'image' }, 400, 'mode'],
    [{ prompt_tokens: 1, task: 'unheard' }, 400, 'task'],
    [{ messages: [{ content: 'x' }] }, 400, 'messages[0].role'],
    [{ prompt_tokens: 1, promt: 1 }, 400, 'promt'],
  ])('refuses %j with %i, naming %s', async (json, status, param) => {
    const answer = await post('/v1/cost/estimate', json)
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({ error: { type: 'invalid_request_error', param } })
  })

  it('needs a key', async () => {
    expect((await call(`${bench.url}/v1/cost/estimate`, { json: { prompt_tokens: 1 }, key: null })).status).toBe(401)
  })
})

describe('POST /spend/calculate', () => {
  it('tells what a prompt would cost', async () => {
    const messages = [{ role: 'user', content: 'How much is the fish?' }]
    const { body } = await post('/spend/calculate', { model: 'dear', messages })
    const { cost } = body as { cost: number }
    expect(cost).toBeGreaterThan(0.00004)
    expect(cost).toBeLessThan(0.0003)
  })

  it('tells what a completion has cost', async () => {
    const usage = { prompt_tokens: 1000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 500 } }
    const response = { id: 'chatcmpl-1', object: 'chat.completion', model: 'dear', choices: [], usage }
    expect((await post('/spend/calculate', { completion_response: response })).body).toEqual({ cost: 0.0075 })
    expect((await post('/spend/calculate', { model: 'unknown', completion_response: response })).body).toEqual({
      cost: null,
    })
  })

  it.each([
    [{}, 400, 'model'],
    [{ model: 'dear' }, 400, 'messages'],
    [{ model: 'nope', messages: [{ role: 'user', content: 'x' }] }, 404, 'model'],
    [{ completion_response: { model: 'dear' } }, 400, 'completion_response.usage'],
  ])('refuses %j with %i, naming %s', async (json, status, param) => {
    const answer = await post('/spend/calculate', json)
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({ error: { param } })
  })
})

it('both are in the document', async () => {
  const document = (await (await call(`${bench.url}/openapi.json`, { key: null })).json()) as { paths: object }
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/v1/cost/estimate', '/spend/calculate']))
})
