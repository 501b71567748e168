import { type InferqConfig, parseConfig } from '@inferq/config'
import { describe, expect, it } from 'vitest'
import { createRoutes } from '../src/index.ts'

function load(text: string): InferqConfig {
  const result = parseConfig({ source: { file: 'f', text }, env: { OPENAI_API_KEY: 'k' } })
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.faults))
  return result.config
}

const config = load(`
model_list:
  - {model_name: llama, litellm_params: {model: ollama/l, api_base: "http://a"}}
  - {model_name: llama, litellm_params: {model: gpt-4o}}
  - {model_name: llama, litellm_params: {model: ollama/l, api_base: "http://b"}}
  - {model_name: embed, litellm_params: {model: ollama/e}, model_info: {mode: embedding}}
  - {model_name: talk, litellm_params: {model: ollama/t}, model_info: {mode: chat}}
`)

describe('routes', () => {
  it('make one candidate of every class that serves the model, in the order of the file', () => {
    expect(createRoutes(config).candidatesFor('llama', 'chat')).toEqual({
      kind: 'candidates',
      candidates: [
        { model: 'llama', class: 'llama', deployments: ['llama/ollama/l', 'llama/ollama/l#2'] },
        { model: 'llama', class: 'openai', deployments: ['llama/openai/gpt-4o'] },
      ],
    })
  })

  it('name the models there are when one is unknown', () => {
    const route = createRoutes(config).candidatesFor('gpt-9', 'chat')
    expect(route).toEqual({ kind: 'unknown_model', known: ['llama', 'embed', 'talk'] })
    expect(createRoutes(config).candidatesFor('__proto__', 'chat').kind).toBe('unknown_model')
  })

  it('tell a model that answers only the other kind of request, and which would', () => {
    const routes = createRoutes(config)
    expect(routes.candidatesFor('embed', 'summary')).toEqual({
      kind: 'unfit_model',
      mode: 'embedding',
      fit: ['llama', 'talk'],
    })
    expect(routes.candidatesFor('talk', 'embeddings')).toEqual({
      kind: 'unfit_model',
      mode: 'chat',
      fit: ['llama', 'embed'],
    })
    expect(routes.candidatesFor('embed', 'embeddings').kind).toBe('candidates')
  })

  it('allocate nothing when asked', () => {
    const routes = createRoutes(config)
    expect(routes.candidatesFor('llama', 'chat')).toBe(routes.candidatesFor('llama', 'text'))
  })

  it('find the deployments of a candidate, without those the configuration has lost', () => {
    const routes = createRoutes(config)
    const candidate = { model: 'llama', class: 'llama', deployments: ['gone', 'llama/ollama/l#2'] }
    expect(routes.deploymentsOf(candidate).map((deployment) => deployment.baseUrl)).toEqual(['http://b'])
    expect(routes.deployment('gone')).toBeUndefined()
  })
})
