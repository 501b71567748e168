import { describe, expect, it } from 'vitest'
import {
  configFromBackends,
  type DetectedBackend,
  type InferqConfig,
  parseConfig,
  simulatedModels,
} from '../src/index.ts'

function load(detected: readonly DetectedBackend[], env: Record<string, string> = {}): InferqConfig {
  const result = configFromBackends(detected, env)
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.faults))
  return result.config
}

describe('a configuration from detected backends', () => {
  it('serves every model of every backend that was found', () => {
    const config = load(
      [
        {
          provider: 'ollama',
          baseUrl: 'http://127.0.0.1:11434',
          models: [{ name: 'llama3.1:latest' }, { name: 'nomic-embed-text:v1.5' }],
        },
        {
          provider: 'vllm',
          baseUrl: 'http://127.0.0.1:8000',
          models: [{ name: 'Qwen/Qwen3-8B', contextWindow: 32_768 }],
        },
        {
          provider: 'openai',
          baseUrl: 'https://api.openai.com/v1',
          models: [{ name: 'gpt-4o' }, { name: 'text-embedding-3-small' }, { name: 'whisper-1' }],
        },
      ],
      { OPENAI_API_KEY: 'sk-o', INFERQ_MASTER_KEY: 'sk-m' },
    )
    expect(config.deployments.map(({ model, mode, class: name, baseUrl }) => [model, mode, name, baseUrl])).toEqual([
      ['llama3.1', 'chat', 'llama3.1', 'http://127.0.0.1:11434'],
      ['nomic-embed-text:v1.5', 'embedding', 'nomic-embed-text:v1.5', 'http://127.0.0.1:11434'],
      ['Qwen/Qwen3-8B', 'chat', 'Qwen/Qwen3-8B', 'http://127.0.0.1:8000/v1'],
      ['gpt-4o', 'chat', 'openai', 'https://api.openai.com/v1'],
      ['text-embedding-3-small', 'embedding', 'openai', 'https://api.openai.com/v1'],
    ])
    expect(config.deployments.map((deployment) => deployment.apiKey)).toEqual([
      undefined,
      undefined,
      undefined,
      'sk-o',
      'sk-o',
    ])
    expect(config.deployments[0]?.upstreamModel).toBe('llama3.1:latest')
    expect(config.masterKey).toBe('sk-m')
  })

  it('labels the models of the simulator, and keeps the key of OpenAI from it', () => {
    const simulator: DetectedBackend = {
      provider: 'openai',
      baseUrl: 'http://127.0.0.1:1/v1',
      models: simulatedModels,
      simulated: true,
    }
    const config = load([simulator], { OPENAI_API_KEY: 'sk-o' })
    expect(config.deployments.map((deployment) => deployment.id)).toEqual([
      'simulated/openai/simulated',
      'simulated-embed/openai/simulated-embed',
    ])
    for (const deployment of config.deployments) {
      expect(deployment).toMatchObject({ simulated: true, class: 'simulated' })
      expect(deployment.apiKey).toBeUndefined()
    }
    expect(config.defaultModel).toBe('simulated')
  })

  it('takes the same model of two backends as a group', () => {
    const models = [{ name: 'llama' }]
    const config = load([
      { provider: 'ollama', baseUrl: 'http://a:1', models },
      { provider: 'vllm', baseUrl: 'http://b:2', models },
    ])
    expect(config.models).toHaveLength(1)
    expect(config.models[0]?.deployments).toHaveLength(2)
  })

  it('gives way to the models of a file, and serves a file that declares none', () => {
    const detected: DetectedBackend[] = [{ provider: 'ollama', baseUrl: 'http://a:1', models: [{ name: 'found' }] }]
    const names = (text: string): string[] => {
      const result = parseConfig({ source: { file: 'f', text }, env: {}, detected })
      return result.kind === 'config' ? result.config.models.map((model) => model.name) : []
    }
    expect(names('model_list: [{model_name: own, litellm_params: {model: ollama/x}}]')).toEqual(['own'])
    expect(names('workers: {drain_s: 1}')).toEqual(['found'])
  })
})
