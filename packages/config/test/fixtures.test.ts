import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { InferqConfig } from '../src/index.ts'
import { load } from './support.ts'

const env = {
  OPENAI_API_KEY: 'sk-o',
  ANTHROPIC_API_KEY: 'sk-a',
  TOGETHER_API_KEY: 'sk-t',
  GOOGLE_API_KEY: 'sk-g',
  GROQ_API_KEY: 'sk-q',
  REDIS_PASSWORD: 'redis',
  LITELLM_MASTER_KEY: 'sk-master',
  DATABASE_URL: 'postgres://u:p@h/d',
}

function read(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')
}

function loadFile(name: string): InferqConfig {
  return load(read(name), { env, readInclude: (path) => ({ file: path, text: read(path) }) })
}

const summary = ({ deployments }: InferqConfig) =>
  deployments.map(({ model, provider, upstreamModel, class: name }) => [model, provider, upstreamModel, name])

describe('a file as people have it loads unchanged', () => {
  it('with routing conditions, limits and repeated fallback keys (team-gateway)', () => {
    const config = loadFile('team-gateway.yaml')
    expect(summary(config)).toEqual([
      ['gpt-4', 'openai', 'gpt-4', 'openai'],
      ['gpt-3.5-turbo', 'openai', 'gpt-3.5-turbo', 'openai'],
      ['claude-3-sonnet', 'anthropic', 'claude-3-sonnet-20240229', 'anthropic'],
      ['llama-2-7b', 'vllm', 'llama-2-7b-chat', 'llama-2-7b'],
    ])
    expect(config.routing.rules.map(({ id, when, to }) => [id, when.condition, to])).toEqual([
      ['routing[0]', "user_tier == 'premium'", { kind: 'model', model: 'gpt-4' }],
      ['routing[1]', "user_tier == 'basic'", { kind: 'model', model: 'gpt-3.5-turbo' }],
      ['routing[2]', "task_type == 'summarization'", { kind: 'model', model: 'claude-3-sonnet' }],
    ])
    expect(config.routing.fallbacks.any).toEqual({
      'gpt-4': ['gpt-3.5-turbo', 'claude-3-sonnet'],
      'gpt-3.5-turbo': ['claude-3-sonnet'],
    })
    expect(config.unused).toEqual(['cache (inferq.yaml:27)', 'rate_limits (inferq.yaml:34)'])
  })

  it('with simple-fallback and callbacks (chat-app)', () => {
    const config = loadFile('chat-app.yaml')
    expect(summary(config)).toEqual([
      ['manus-primary', 'together_ai', 'deepseek-chat', 'together_ai'],
      ['manus-fallback', 'ollama', 'mistral:7b-instruct', 'manus-fallback'],
    ])
    expect(config.deployments[0]).toMatchObject({ apiKey: 'sk-t', defaults: { max_tokens: 4096, temperature: 0.7 } })
    expect(config.routing).toMatchObject({
      strategy: 'simple-shuffle',
      fallbacks: { any: {}, otherwise: ['manus-fallback'] },
    })
    expect(config.breaker.allowedFails).toBe(3)
    expect(config.unused).toEqual([
      'model_list[0].litellm_params.stream (inferq.yaml:8)',
      'model_list[1].litellm_params.stream (inferq.yaml:14)',
      'litellm_settings.failure_callback[0]: sentry (inferq.yaml:23)',
      'litellm_settings.rate_limit (inferq.yaml:24)',
    ])
  })

  it('with many providers (many-providers)', () => {
    const config = loadFile('many-providers.yaml')
    expect(config.deployments.map(({ provider, wire, apiKey }) => [provider, wire, apiKey])).toEqual([
      ['openai', 'openai', 'sk-o'],
      ['openai', 'openai', 'sk-o'],
      ['anthropic', 'anthropic', 'sk-a'],
      ['anthropic', 'anthropic', 'sk-a'],
      ['gemini', 'gemini', 'sk-g'],
      ['groq', 'openai', 'sk-q'],
    ])
    expect(config).toMatchObject({
      masterKey: 'your-master-key-here',
      databaseUrl: 'postgresql://user:pass@localhost/litellm',
      unused: [],
    })
  })

  it('with its models in another file (cluster)', () => {
    const config = loadFile('cluster.yaml')
    expect(config.models.map((model) => model.name)).toEqual([
      ...['gpt-4o', 'gpt-4o-mini', 'claude-3-5-sonnet', 'claude-3-5-haiku', 'llama3.1', 'codellama', 'mistral'],
    ])
    expect(config.deployments[4]).toMatchObject({ wire: 'ollama', baseUrl: 'http://ollama:11434', class: 'llama3.1' })
    expect(config).toMatchObject({ masterKey: 'sk-master', databaseUrl: 'postgres://u:p@h/d' })
    expect(config.unused).toEqual([
      'litellm_settings.success_callback[0]: mlflow (inferq.yaml:9)',
      'litellm_settings.success_callback[1]: langfuse (inferq.yaml:9)',
      'litellm_settings.failure_callback[0]: mlflow (inferq.yaml:10)',
      'litellm_settings.failure_callback[1]: langfuse (inferq.yaml:10)',
    ])
  })

  it('as the file that others include (cluster-models)', () => {
    expect(loadFile('cluster-models.yaml').models).toHaveLength(7)
  })

  it('with features among its models, shared keys and budgets (overview)', () => {
    const config = loadFile('overview.yaml')
    expect(config.deployments.map(({ id, apiKey }) => [id, apiKey])).toEqual([
      ['gpt-4/openai/gpt-4', 'key1'],
      ['gpt-4/openai/gpt-4#2', 'key2'],
      ['gpt-4/openai/gpt-4#3', 'key3'],
      ['gpt-3.5-turbo/openai/gpt-3.5-turbo', 'key1'],
      ['gpt-3.5-turbo/openai/gpt-3.5-turbo#2', 'key2'],
      ['gpt-3.5-turbo/openai/gpt-3.5-turbo#3', 'key3'],
      ['claude-3-sonnet/anthropic/claude-3-sonnet-20240229', 'sk-a'],
    ])
    expect(config.routing.strategy).toBe('round-robin')
    expect(config.routing.rules.map(({ when, to }) => [when, to.kind === 'model' && to.model])).toEqual([
      [{ task: 'simple_qa' }, 'gpt-3.5-turbo'],
      [{ task: 'complex_analysis' }, 'gpt-4'],
      [{ feature: 'search_qa' }, 'gpt-3.5-turbo'],
      [{ feature: 'document_analysis' }, 'gpt-4'],
      [{ feature: 'summarization' }, 'claude-3-sonnet'],
    ])
    // litellm_params.fallbacks first, then the section of the same name, each model once.
    expect(config.routing.fallbacks.any).toEqual({ 'gpt-4': ['gpt-3.5-turbo', 'claude-3-sonnet'] })
    expect(config.unused).toEqual(['caching (inferq.yaml:25)', 'budget_limits (inferq.yaml:30)'])
  })
})
