import { costOf } from '@inferq/catalog'
import { type InferqConfig, parseConfig } from '@inferq/config'
import type { CostEstimate, CostEstimateRequest } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { estimateCosts } from '../src/cost-estimate.ts'
import { costQuestionOf } from '../src/cost-question.ts'
import { createKnownModels } from '../src/known-models.ts'
import { describeModel } from '../src/model-view.ts'
import { usdOfNano } from '../src/money.ts'

const yaml = `
model_list:
  - model_name: group
    litellm_params: {model: openai/dear, api_key: sk, input_cost_per_token: 0.000003, output_cost_per_token: 0.000015}
    model_info: {mode: chat, context_window: 200000, max_output_tokens: 8000, supports_vision: true}
  - model_name: group
    litellm_params: {model: openai/cheap, api_key: sk, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {mode: chat, context_window: 8000, max_output_tokens: 4000, supports_vision: false, supports_function_calling: true}
  - model_name: secret-price
    litellm_params: {model: openai/unheard-of, api_key: sk}
    model_info: {context_window: 100000}
  - model_name: no-window
    litellm_params: {model: openai/who-knows, api_key: sk, input_cost_per_token: 0.000002, output_cost_per_token: 0.000002}
  - model_name: embed
    litellm_params: {model: openai/text-embedding-3-small, api_key: sk}
  - model_name: "gemini/*"
    litellm_params: {model: "gemini/*", api_key: sk}
routing:
  - {task: translation, split: {group: 90, secret-price: 10}}
  - {task: chitchat, strategy: cost_optimized}
router_settings:
  model_group_alias: {nick: group, shadow: {model: group, hidden: true}}
`

function load(text: string): InferqConfig {
  const parsed = parseConfig({ source: { file: 'test.yaml', text }, env: {} })
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  return parsed.config
}

const config = load(yaml)
const known = createKnownModels(() => config)
const estimate = (body: CostEstimateRequest): CostEstimate => estimateCosts(costQuestionOf(body, known, config), true)
const row = (result: CostEstimate, name: string) => result.models.find(({ model }) => model === name)

describe('an estimate', () => {
  it('compares all chat models that are no pattern and no alias, cheapest first, those of unknown price last', () => {
    const result = estimate({ prompt_tokens: 1000, completion_tokens: 100 })
    expect(result.models.map(({ model }) => model)).toEqual(['group', 'no-window', 'secret-price'])
    expect(result).toMatchObject({ object: 'cost.estimate', prompt_tokens: 1000, completion_tokens: 100, requests: 1 })
    expect(result.cheapest).toBe('group')
  })

  it('takes the cheapest deployment of a group that fits', () => {
    const short = row(estimate({ prompt_tokens: 1000, completion_tokens: 100 }), 'group')
    expect(short).toMatchObject({
      deployment: 'group/openai/cheap',
      cost_usd: 0.0012,
      fits: true,
      context_window: 8000,
    })
    const long = row(estimate({ prompt_tokens: 10_000, completion_tokens: 100 }), 'group')
    expect(long).toMatchObject({
      deployment: 'group/openai/dear',
      cost_usd: 0.0315,
      fits: true,
      context_window: 200_000,
    })
    const wordy = row(estimate({ prompt_tokens: 1000, completion_tokens: 5000 }), 'group')
    expect(wordy).toMatchObject({ deployment: 'group/openai/dear', fits: true })
  })

  it('says what does not fit, and never calls it the cheapest', () => {
    const result = estimate({ models: ['group'], prompt_tokens: 300_000, completion_tokens: 100 })
    expect(row(result, 'group')).toMatchObject({ fits: false, price_known: true })
    expect(result.cheapest).toBeNull()
  })

  it('says null where a price or a window is not known, never 0 or true', () => {
    const result = estimate({ models: ['secret-price', 'no-window'], prompt_tokens: 1000, completion_tokens: 100 })
    expect(row(result, 'secret-price')).toEqual({
      model: 'secret-price',
      cost_usd: null,
      cost_per_request_usd: null,
      price_known: false,
      fits: true,
      context_window: 100_000,
      deployment: 'secret-price/openai/unheard-of',
    })
    expect(row(result, 'no-window')).toMatchObject({ fits: null, cost_usd: 0.0022 })
    expect(result.cheapest).toBe('no-window')
  })

  it('multiplies what one request costs', () => {
    const result = estimate({ models: ['group'], prompt_tokens: 1001, completion_tokens: 1, requests: 1_000_000 })
    expect(row(result, 'group')).toMatchObject({ cost_per_request_usd: 0.001003, cost_usd: 1003 })
  })

  it('knows what a wildcard means in a name', () => {
    const result = estimate({ models: ['gemini/gemini-2.5-pro'], prompt_tokens: 300_000, completion_tokens: 1000 })
    const facts = known.find('gemini/gemini-2.5-pro')?.deployments[0]
    if (facts?.price === undefined) throw new Error('the catalog does not know it any more')
    const nano = costOf(facts.price, { promptTokens: 300_000, completionTokens: 1000 })
    expect(row(result, 'gemini/gemini-2.5-pro')?.cost_usd).toBe(usdOfNano(nano))
    expect(facts.price.longPrompt).toBeDefined()
  })

  it('of embeddings has no answer to pay for, and each input has to fit for itself', () => {
    const inputs = ['one two three four', 'five six']
    const result = estimate({ models: ['embed'], input: inputs })
    expect(result).toMatchObject({ completion_tokens: 0, cheapest: 'embed' })
    expect(result.prompt_tokens).toBeGreaterThan(4)
    const many = Array.from({ length: 2000 }, () => 'a few words that are not many')
    expect(row(estimate({ mode: 'embedding', input: many }), 'embed')?.fits).toBe(true)
    expect(row(estimate({ mode: 'embedding', prompt_tokens: 16_000 }), 'embed')?.fits).toBe(false)
  })

  it('compares the models that the rules send a task to', () => {
    const result = estimate({ task: 'translation', prompt_tokens: 100 })
    expect(result.models.map(({ model }) => model)).toEqual(['group', 'secret-price'])
  })

  it('estimates the tokens of messages, and takes an answer for as long as routing does', () => {
    const result = estimate({ messages: [{ role: 'user', content: 'Tell me a story about a lighthouse.' }] })
    expect(result.prompt_tokens).toBeGreaterThan(5)
    expect(result.prompt_tokens).toBeLessThan(30)
    expect(result.completion_tokens).toBe(500)
  })

  it.each<[CostEstimateRequest, string, string]>([
    [{}, 'prompt_tokens', 'missing_required_parameter'],
    [{ prompt_tokens: 1, input: 'x' }, 'input', 'invalid_value'],
    [{ messages: [{ role: 'user', content: 'x' }], input: 'x' }, 'input', 'invalid_value'],
    [{ models: ['nope'], prompt_tokens: 1 }, 'models[0]', 'model_not_found'],
    [{ models: ['group', 'embed'], prompt_tokens: 1 }, 'models[1]', 'invalid_value'],
    [{ models: ['group'], mode: 'embedding', prompt_tokens: 1 }, 'models[0]', 'invalid_value'],
    [{ models: ['group'], task: 'translation', prompt_tokens: 1 }, 'task', 'invalid_value'],
    [{ task: 'chitchat', prompt_tokens: 1 }, 'task', 'invalid_value'],
    [{ task: 'unheard', prompt_tokens: 1 }, 'task', 'invalid_value'],
    [{ prompt_tokens: 10, cached_tokens: 11 }, 'cached_tokens', 'invalid_value'],
    [{ mode: 'embedding', prompt_tokens: 1, completion_tokens: 5 }, 'completion_tokens', 'invalid_value'],
    [{ mode: 'embedding', messages: [{ role: 'user', content: 'x' }] }, 'messages', 'invalid_value'],
  ])('of %j is refused, naming %s', (body, param, code) => {
    expect(() => estimate(body)).toThrow(expect.objectContaining({ detail: expect.objectContaining({ param, code }) }))
  })

  it('names as cheapest what no other that fits is cheaper than', () => {
    const tokens = fc.integer({ min: 0, max: 250_000 })
    fc.assert(
      fc.property(tokens, tokens, (prompt, completion) => {
        const { models, cheapest } = estimate({ prompt_tokens: prompt, completion_tokens: completion })
        const open = models.filter(({ fits, price_known }) => price_known && fits !== false)
        const least = open.map(({ cost_usd }) => cost_usd ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b)[0]
        expect(models.find(({ model }) => model === cheapest)?.cost_usd).toBe(least)
      }),
    )
  })
})

describe('a model group', () => {
  it('has the price of its cheapest deployment, the widest window, and what any of them can do', () => {
    const model = known.find('group')
    if (model === undefined) throw new Error('not found')
    expect(describeModel(model)).toMatchObject({
      context_window: 200_000,
      max_output_tokens: 8000,
      price: { input_per_million_usd: 1, output_per_million_usd: 2, long_prompt: null, source: 'config' },
      capabilities: { vision: true, tools: true },
      wildcard: false,
      alias_of: null,
    })
    expect(describeModel(model)).not.toHaveProperty('deployments')
  })

  it('is listed under its aliases as well, but for the hidden ones', () => {
    expect(known.list().map(({ name, aliasOf }) => [name, aliasOf])).toEqual([
      ['group', null],
      ['secret-price', null],
      ['no-window', null],
      ['embed', null],
      ['gemini/*', null],
      ['nick', 'group'],
    ])
    expect(known.find('shadow')?.aliasOf).toBe('group')
  })
})

describe('money on the wire', () => {
  it('is written with the very digits of the nano-dollars', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_000_000_000_000_000 }), (nano) => {
        const digits = String(nano).padStart(10, '0')
        const decimal = `${digits.slice(0, -9)}.${digits.slice(-9)}`
        expect(usdOfNano(nano)).toBe(Number(decimal))
        if (nano < 1e15) expect(usdOfNano(nano).toFixed(9)).toBe(decimal)
      }),
    )
  })
})
