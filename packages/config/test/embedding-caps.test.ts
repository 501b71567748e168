import { describe, expect, it } from 'vitest'
import { embeddingCapsOf } from '../src/index.ts'
import { faultsOf, load } from './support.ts'

const file = (params: string, info = '') => `
model_list:
  - model_name: e
    litellm_params: {${params}, api_key: sk-test}
    model_info: {mode: embedding${info}}
`
const capsOf = (params: string, info = '') => {
  const [deployment] = load(file(params, info)).deployments
  return deployment === undefined ? undefined : embeddingCapsOf(deployment)
}

describe('how much goes in one call for embeddings', () => {
  it.each([
    ['model: openai/e', { maxItems: 2_048, maxTokens: 300_000 }],
    ['model: azure/e, api_base: "https://house.openai.azure.com"', { maxItems: 2_048, maxTokens: 300_000 }],
    // Behind its name may be any server.
    ['model: openai/e, api_base: "http://tei:8080"', { maxItems: 64 }],
    ['model: vllm/e, api_base: "http://gpu:8000"', { maxItems: 64 }],
    ['model: cohere/e', { maxItems: 96 }],
    ['model: gemini/e', { maxItems: 100 }],
    ['model: ollama/e', { maxCalls: 2 }],
  ])('is known of the provider: %s', (params, expected) => {
    expect(capsOf(params)).toMatchObject(expected)
  })

  it('is what the file says', () => {
    const caps = capsOf('model: vllm/e, api_base: "http://tei:8080"', ', max_batch_items: 32, max_batch_tokens: 16384')
    expect(caps).toMatchObject({ maxItems: 32, maxTokens: 16_384 })
  })

  it('of one input each makes no call wait for another', () => {
    const caps = capsOf('model: vllm/e, api_base: "http://one:8080"', ', max_batch_items: 1')
    expect(caps).toMatchObject({ maxItems: 1, maxCalls: Number.POSITIVE_INFINITY })
  })

  it('is nothing where a call takes one input', () => {
    const bedrock = 'model: bedrock/amazon.titan-embed-text-v2:0, aws_region_name: eu-west-1'
    expect(capsOf(bedrock)).toBeNull()
    expect(capsOf(bedrock, ', max_batch_items: 8')).toMatchObject({ maxItems: 8 })
  })

  it('cannot be nothing, or a half', () => {
    const faults = faultsOf(file('model: openai/e', ', max_batch_items: 0, max_batch_tokens: 1.5'))
    expect(faults.map((fault) => /max_batch_\w+/.exec(fault)?.[0])).toEqual(['max_batch_items', 'max_batch_tokens'])
  })
})

describe('a class of embeddings alone', () => {
  it('runs as many jobs as fill a few calls, unless the file says how many', () => {
    const vllm = file('model: vllm/e, api_base: "http://gpu:8000"')
    expect(load(vllm).classes['e']?.concurrency).toBe(256)
    expect(load(file('model: ollama/e')).classes['e']?.concurrency).toBe(64)
    expect(load(`${vllm}\nclasses: {e: {concurrency: 8}}`).classes['e']?.concurrency).toBe(8)
  })
})
