import { describe, expect, it } from 'vitest'
import type { Deployment } from '../src/index.ts'
import { faultsOf, load } from './support.ts'

function deployment(params: string, info = '', more = ''): Deployment {
  const entry = `{model_name: m, litellm_params: {${params}}, model_info: {${info}}${more}}`
  const [first] = load(`model_list: [${entry}]`, { env: { OPENAI_API_KEY: 'k' } }).deployments
  if (first === undefined) throw new Error('no deployment')
  return first
}

const unknown = 'model: ollama/nobody-knows-it'

describe('a deployment', () => {
  it('has the order, tags and limits of its entry', () => {
    expect(
      deployment(`${unknown}, order: 2, tags: [eu, default], rpm: 60, tpm: 1000, max_parallel_requests: 3`),
    ).toMatchObject({ order: 2, tags: ['eu', 'default'], limits: { rpm: 60, tpm: 1000, maxParallel: 3 } })
    expect(deployment(unknown, '', ', rpm: 5').limits).toEqual({ rpm: 5 })
    expect(deployment(unknown)).not.toHaveProperty('order')
  })

  it('has the id that model_info gives it', () => {
    expect(deployment(unknown, 'id: primary').id).toBe('primary')
  })

  it('keeps model_info as it was written, without what is named like a secret', () => {
    const info = 'owner: os.environ/NOBODY, tier: free, team_api_key: hidden, nested: {password: hidden, x: [1, 2]}'
    expect(deployment(unknown, info).info).toEqual({ owner: 'os.environ/NOBODY', tier: 'free', nested: { x: [1, 2] } })
  })

  it('may be a wildcard', () => {
    expect(load('model_list: [{model_name: "local/*", litellm_params: {model: "ollama/*"}}]').models[0]).toMatchObject({
      name: 'local/*',
      deployments: [{ id: 'local/*/ollama/*', upstreamModel: '*', class: 'local/*' }],
    })
    expect(load('model_list: [{model_name: "*", litellm_params: {model: ollama/one}}]').deployments[0]).toMatchObject({
      model: '*',
      upstreamModel: 'one',
    })
  })

  it('takes the credentials of its family, and says which are not for it', () => {
    const config = load(
      `
model_list:
  - model_name: m
    litellm_params: {model: bedrock/anthropic.claude-3-haiku-20240307-v1:0, aws_region_name: eu-west-1, aws_access_key_id: id, aws_secret_access_key: os.environ/S, api_version: "1"}
`,
      { env: { S: 'secret' } },
    )
    expect(config.deployments[0]?.credentials).toMatchObject({
      aws_region_name: 'eu-west-1',
      aws_access_key_id: 'id',
      aws_secret_access_key: 'secret',
    })
    expect(config.unused).toEqual(['model_list[0].litellm_params.api_version: not for bedrock (inferq.yaml:4)'])
  })

  it('has its own price before the known one', () => {
    const own = { inputPicoUsd: 1_200_000, outputPicoUsd: 3_000_000, source: 'config' }
    const costs = 'input_cost_per_token: 0.0000012, output_cost_per_token: "3e-06"'
    expect(deployment('model: gpt-4o', costs).price).toEqual(own)
    expect(deployment(`model: gpt-4o, ${costs}`).price).toEqual(own)
    expect(deployment('model: gpt-4o, pricing: {input: 0.0012, output: 0.003}').price).toEqual(own)
    expect(deployment('model: gpt-4o', '', ', pricing: {input: 0.0012, output: 0.003}').price).toEqual(own)
    expect(deployment('model: gpt-4o', 'pricing: {input: 0.0012, output: 0.003, cached_input: 0}').price).toEqual({
      ...own,
      cachedInputPicoUsd: 0,
    })
    expect(deployment('model: gpt-4o').price?.source).toBe('catalog')
    expect(deployment(unknown)).not.toHaveProperty('price')
  })

  it('costs what LiteLLM says for long prompts', () => {
    const costs = `input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, cache_read_input_token_cost: 0.0000001,
      input_cost_per_token_above_200k_tokens: 0.000003, output_cost_per_token_above_200k_tokens: 0.000004`
    expect(deployment(`${unknown}, ${costs}`).price).toEqual({
      inputPicoUsd: 1e6,
      outputPicoUsd: 2e6,
      cachedInputPicoUsd: 1e5,
      longPrompt: { aboveTokens: 200_000, inputPicoUsd: 3e6, outputPicoUsd: 4e6 },
      source: 'config',
    })
  })

  it('has no price where only half of it is known, and says so', () => {
    const half = 'model_list: [{model_name: m, litellm_params: {model: ollama/zz, input_cost_per_token: 0.1}}]'
    const config = load(half)
    expect(config.deployments[0]).not.toHaveProperty('price')
    expect(config.unused).toEqual(['model_list[0].litellm_params.input_cost_per_token: half a price (inferq.yaml:1)'])
    expect(deployment('model: gpt-4o, input_cost_per_token: 0.1').price).toMatchObject({
      inputPicoUsd: 1e11,
      outputPicoUsd: deployment('model: gpt-4o').price?.outputPicoUsd,
    })
    expect(deployment(`${unknown}, input_cost_per_token: 0.1`, 'mode: embedding').price?.outputPicoUsd).toBe(0)
  })

  it('has the price of the list where it has none of its own', () => {
    const list = `model_list:
  - {model_name: a, litellm_params: {model: ollama/zz}}
  - {model_name: b, litellm_params: {model: ollama/zz, pricing: {input: 9, output: 9}}}
`
    const prices = (text: string) => load(list + text).deployments.map(({ price }) => price?.inputPicoUsd)
    expect(prices('pricing: {a: {input: 0.001, output: 0.002}, b: {input: 1, output: 1}}')).toEqual([1e6, 9e9])
    expect(prices('pricing: [{model: a, input: 0.001, output: 0.002}]')).toEqual([1e6, 9e9])
    expect(faultsOf(`${list}pricing: {c: {input: 1, output: 1}}`)[0]).toMatch(
      /pricing\.c: found "c"; expected one of a, b/,
    )
  })

  it('has windows and abilities from its file, then from what is known', () => {
    expect(
      deployment('model: gpt-4o', 'max_input_tokens: 5000, max_output_tokens: 9, supports_vision: false'),
    ).toMatchObject({ contextWindow: 5000, maxOutputTokens: 9, capabilities: { vision: false, tools: true } })
    expect(deployment('model: gpt-4o', 'context_window: 4, max_input_tokens: 5').contextWindow).toBe(4)
    // LiteLLM's older key is the longest answer of a model whose window is known, else the window.
    expect(deployment('model: gpt-4o', 'max_tokens: 77')).toMatchObject({ maxOutputTokens: 77, contextWindow: 128_000 })
    expect(deployment(unknown, 'max_tokens: 77').contextWindow).toBe(77)
    expect(
      deployment('model: azure/ours, api_base: "https://x.openai.azure.com", api_key: k', 'base_model: azure/gpt-4o')
        .price,
    ).toEqual(deployment('model: azure/gpt-4o, api_base: "https://x.openai.azure.com", api_key: k').price)
  })

  it.each<[string, string, RegExp]>([
    [
      'a price in another unit',
      `${unknown}, input_cost_per_token: 2.5`,
      /found 2.5; expected a number of at least 0 and at most 1/,
    ],
    ['a negative order', `${unknown}, order: -1`, /order: found -1/],
    ['half a request at once', `${unknown}, max_parallel_requests: 0.5`, /whole number/],
    ['an ability that is no flag', `${unknown}}, model_info: {supports_vision: maybe`, /expected true or false/],
    ['an id with a space', `${unknown}}, model_info: {id: "a b"`, /expected an id/],
  ])('is refused for %s', (_, params, fault) => {
    const faults = faultsOf(`model_list: [{model_name: m, litellm_params: {${params}}}]`)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })

  it('is refused for the id of another', () => {
    const entry = '{model_name: m, litellm_params: {model: ollama/x}, model_info: {id: a}}'
    expect(faultsOf(`model_list:\n  - ${entry}\n  - ${entry}`)).toEqual([
      'f:3: model_list[1]: found the id "a" again; expected each id only once',
    ])
  })
})

describe('load_balancing', () => {
  const text = `model_list:
  - {model_name: a, litellm_params: {model: gpt-4o}, model_info: {id: mine}}
  - {model_name: b, litellm_params: {model: gpt-4o, api_key: own}}
  - {model_name: c, litellm_params: {model: openai/x, api_base: "http://elsewhere/v1"}}
  - {model_name: d, litellm_params: {model: ollama/x}}
`
  it('makes a deployment of each key for those that have none, at the provider itself', () => {
    const config = load(`${text}load_balancing: [{provider: openai, api_keys: [k1, os.environ/K2]}]`, {
      env: { K2: 'k2' },
    })
    expect(config.deployments.map(({ id, apiKey }) => [id, apiKey])).toEqual([
      ['mine', 'k1'],
      ['mine#2', 'k2'],
      ['b/openai/gpt-4o', 'own'],
      ['c/openai/x', undefined],
      ['d/ollama/x', undefined],
    ])
    expect(config.routing.strategy).toBe('simple-shuffle')
  })

  it('names the strategy where the router names none', () => {
    const section = 'load_balancing: [{provider: openai, api_keys: [k], strategy: round_robin}]\n'
    expect(load(text + section).routing.strategy).toBe('round-robin')
    expect(load(`${text + section}router_settings: {routing_strategy: least-busy}`).routing.strategy).toBe('least-busy')
  })

  it.each<[string, string, RegExp]>([
    ['an unknown provider', '{provider: opnai, api_keys: [k]}', /provider: found "opnai"; expected a provider/],
    ['no keys', '{provider: ollama}', /found no api_keys/],
    [
      'a missing key',
      '{provider: ollama, api_keys: [os.environ/NO]}',
      /api_keys\[0\]: .*variable NO, which is not set/,
    ],
    ['an unknown strategy', '{provider: ollama, api_keys: [k], strategy: fair}', /expected one of simple-shuffle/],
  ])('is refused for %s', (_, item, fault) => {
    const local = 'model_list: [{model_name: d, litellm_params: {model: ollama/x}}]\n'
    const faults = faultsOf(`${local}load_balancing: [${item}]`)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })
})
