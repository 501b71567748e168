import { lookUpModel } from '@inferq/catalog'
import { describe, expect, it } from 'vitest'
import { type InferqConfig, maskConfig, parseConfig } from '../src/index.ts'

const env = { OPENAI_API_KEY: 'sk-from-environment', MASTER: 'sk-master' }

function load(text: string, environment: Record<string, string> = env): InferqConfig {
  const files: Record<string, string> = { '/run/secrets/key': 'sk-from-file\n' }
  const readFile = (path: string): string | null => files[path] ?? null
  const result = parseConfig({ source: { file: 'inferq.yaml', text }, env: environment, readFile })
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.faults, null, 1))
  return result.config
}

const small = `
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, temperature: 0.2, max_tokens: 100, timeout: 30, stream_timeout: 5}
  - model_name: llama
    litellm_params: {model: ollama_chat/llama3.1:8b, api_base: "http://gpu-1:11434/", num_ctx: 8192}
    model_info: {context_window: 8192, mode: chat}
  - model_name: llama
    litellm_params: {model: ollama/llama3.1:8b, api_base: "http://gpu-2:11434"}
  - model_name: embed
    litellm_params: {model: hosted_vllm/bge-m3, api_base: "http://vllm:8000"}
    model_info: {mode: embedding}
general_settings: {master_key: os.environ/MASTER}
classes: {llama: {concurrency: 2, max_queue: 50, options: {keep_alive: 30m}}}
`

describe('a good file', () => {
  it('gives deployments with everything an adapter needs', () => {
    const config = load(small)
    const known = lookUpModel('openai', 'gpt-4o')
    expect(config.deployments[0]).toEqual({
      id: 'gpt-4o/openai/gpt-4o',
      model: 'gpt-4o',
      provider: 'openai',
      wire: 'openai',
      upstreamModel: 'gpt-4o',
      baseUrl: 'https://api.openai.com/v1',
      apiKey: 'sk-from-environment',
      credentials: {},
      class: 'openai',
      mode: 'chat',
      weight: 1,
      defaults: { temperature: 0.2, max_tokens: 100 },
      timeouts: { connectMs: 5000, firstTokenMs: 5000, idleMs: 30_000, totalMs: 30_000 },
      options: {},
      headers: {},
      simulated: false,
      tags: [],
      limits: {},
      price: known?.price,
      contextWindow: known?.contextWindow,
      maxOutputTokens: known?.maxOutputTokens,
      capabilities: known?.capabilities,
      info: {},
      source: 'file',
    })
    expect(known?.price?.source).toBe('catalog')
    expect(config.deployments[1]).toMatchObject({
      provider: 'ollama',
      upstreamModel: 'llama3.1:8b',
      baseUrl: 'http://gpu-1:11434',
      contextWindow: 8192,
      options: { num_ctx: 8192, keep_alive: '30m' },
    })
    expect(config.deployments[3]).toMatchObject({ provider: 'vllm', baseUrl: 'http://vllm:8000/v1', mode: 'embedding' })
    expect(config.masterKey).toBe('sk-master')
  })

  it('groups the deployments of a model in the order of the file, and numbers repeated ids', () => {
    const config = load(small)
    expect(config.models.map((model) => [model.name, model.mode])).toEqual([
      ['gpt-4o', 'chat'],
      ['llama', 'chat'],
      ['embed', 'embedding'],
    ])
    expect(config.models[1]?.deployments.map((deployment) => deployment.id)).toEqual([
      'llama/ollama/llama3.1:8b',
      'llama/ollama/llama3.1:8b#2',
    ])
    expect(config.defaultModel).toBe('gpt-4o')
  })

  it('gives every local model its own class, and one class to a cloud provider', () => {
    const config = load(small)
    expect(config.deployments.map((deployment) => deployment.class)).toEqual(['openai', 'llama', 'llama', 'embed'])
    expect(config.classes).toMatchObject({
      openai: { concurrency: 64 },
      llama: { concurrency: 2, maxQueue: 50 },
      embed: { maxQueue: 10_000, concurrency: 256 },
    })
  })

  it('fills in the defaults', () => {
    expect(load(small)).toMatchObject({
      workers: { lockSeconds: 6, stalledSeconds: 2, maxAttempts: 3, drainSeconds: 60, affinityMs: 100 },
      retention: { resultSeconds: 604_800, promptSeconds: 604_800, spendSeconds: 34_560_000 },
      limits: { bodyBytes: 10_485_760 },
    })
  })

  it('keeps files on the disk, or in S3, with the secrets masked', () => {
    expect(load(small).files).toEqual({ storage: { kind: 'local' }, maxFileBytes: 536_870_912 })
    const config = load(`
files: {type: s3, bucket: b, endpoint: "http://minio:9000/", region: r, access_key_id: AKID, secret_access_key: os.environ/MASTER, max_file_mb: 2, ttl: 7d}
`)
    const place = { kind: 's3', bucket: 'b', endpoint: 'http://minio:9000', region: 'r' }
    expect(config.files).toEqual({
      storage: { ...place, accessKeyId: 'AKID', secretAccessKey: 'sk-master' },
      maxFileBytes: 2_097_152,
      ttlSeconds: 604_800,
    })
    expect(maskConfig(config)['files']).toMatchObject({
      storage: { ...place, accessKeyId: '***', secretAccessKey: '***' },
    })
    const atAmazon = 'files: {type: s3, bucket: b, region: eu-west-1, access_key_id: a, secret_access_key: s}'
    expect(load(atAmazon).files.storage).toMatchObject({ endpoint: 'https://s3.eu-west-1.amazonaws.com' })
    expect(load('files: {path: /data/files}').files.storage).toEqual({ kind: 'local', path: '/data/files' })
  })

  it('honours the sections for workers, retention and limits', () => {
    const config = load(`
workers: {lock_s: 20, stalled_s: 4, max_attempts: 5, drain_s: 0, affinity_ms: 0}
retention: {results: 12h, prompts: none, spend: 30}
general_settings: {max_request_size_mb: 1, database_url: "postgres://u:p@h/d"}
router_settings: {num_retries: 9}
`)
    expect(config.workers).toEqual({
      lockSeconds: 20,
      stalledSeconds: 4,
      maxAttempts: 5,
      drainSeconds: 0,
      affinityMs: 0,
    })
    expect(config.retention).toEqual({ resultSeconds: 43_200, promptSeconds: 0, spendSeconds: 30 })
    expect(load('retention: {results: 1h}').retention.promptSeconds).toBe(3_600)
    expect(config.limits.bodyBytes).toBe(1_048_576)
    expect(config.databaseUrl).toBe('postgres://u:p@h/d')
  })

  it('turns num_retries of LiteLLM into attempts, and its timeouts into deadlines', () => {
    const config = load(`
model_list: [{model_name: a, litellm_params: {model: gpt-4o}}]
router_settings: {num_retries: 1, timeout: 20}
litellm_settings: {num_retries: 7, request_timeout: 99}
`)
    expect(config.workers.maxAttempts).toBe(2)
    expect(config.deployments[0]?.timeouts).toMatchObject({ totalMs: 20_000, firstTokenMs: 20_000 })
  })

  it('resolves references in every form', () => {
    const config = load(
      `
environment_variables: {HOST: backend, PORT: 9}
model_list:
  - model_name: a
    litellm_params:
      model: "openai/\${MODEL:-fallback}"
      api_base: "http://\${HOST}:\${PORT}/v1"
      api_key: file:/run/secrets/key
      timeout: os.environ/SECONDS
  - {model_name: b, litellm_params: {model: openai/x, api_base: "http://b/v1", api_key: os.environ/FROM_FILE}}
`,
      { PORT: '8080', SECONDS: '2.5', FROM_FILE_FILE: '/run/secrets/key' },
    )
    expect(config.deployments[0]).toMatchObject({
      upstreamModel: 'fallback',
      baseUrl: 'http://backend:8080/v1',
      apiKey: 'sk-from-file',
      timeouts: { totalMs: 2500 },
    })
    expect(config.deployments[1]?.apiKey).toBe('sk-from-file')
  })

  it('does not hand the key of OpenAI to another server that speaks its dialect', () => {
    const config = load('model_list: [{model_name: a, litellm_params: {model: openai/x, api_base: "http://other/v1"}}]')
    expect(config.deployments[0]?.apiKey).toBeUndefined()
  })

  it('weighs a model group as simple-shuffle does', () => {
    const entry = (params: string): string => `{model_name: a, litellm_params: {model: gpt-4o, ${params}}}`
    const weights = (...params: string[]): number[] =>
      load(`model_list: [${params.map(entry).join(', ')}]`).deployments.map((deployment) => deployment.weight)
    expect(weights('weight: 2', 'rpm: 9')).toEqual([2, 1])
    expect(weights('rpm: 600', 'rpm: 200')).toEqual([600, 200])
    expect(weights('rpm: 600', 'tpm: 200')).toEqual([1, 1])
    expect(weights('weight: 0', 'weight: 0')).toEqual([1, 1])
  })

  it('lists the keys it accepts and does not use, with their places', () => {
    const config = load(`
model_list:
  - model_name: a
    litellm_params: {model: gpt-4o, drop_params: true}
    model_info: {owner_team: search}
router_settings:
  debug_level: DEBUG
litellm_settings: {success_callback: [prometheus, langfuse], callbacks: sentry, some_attribute_of_litellm: 1, cache: true}
general_settings: {store_model_in_db: false, alerting: [slack]}
rate_limits: [{per: user, rpm: 100}]
guardrails: []
`)
    expect([...config.unused].sort()).toEqual([
      'general_settings.alerting (inferq.yaml:9)',
      'general_settings.store_model_in_db: it is always on (inferq.yaml:9)',
      'guardrails (inferq.yaml:11)',
      'litellm_settings.cache (inferq.yaml:8)',
      'litellm_settings.callbacks: sentry (inferq.yaml:8)',
      'litellm_settings.some_attribute_of_litellm (inferq.yaml:8)',
      'litellm_settings.success_callback[1]: langfuse (inferq.yaml:8)',
      'model_list[0].litellm_params.drop_params (inferq.yaml:4)',
      'model_list[0].model_info.owner_team (inferq.yaml:5)',
      'rate_limits (inferq.yaml:10)',
      'router_settings.debug_level (inferq.yaml:7)',
    ])
  })

  it('understands anchors and merge keys', () => {
    const config = load(`
model_list:
  - model_name: a
    litellm_params: &base {model: ollama/a, api_base: "http://h:1"}
  - model_name: b
    litellm_params: {<<: *base, model: ollama/b}
`)
    expect(config.deployments.map((deployment) => [deployment.upstreamModel, deployment.baseUrl])).toEqual([
      ['a', 'http://h:1'],
      ['b', 'http://h:1'],
    ])
  })

  it('is frozen all the way down', () => {
    const config = load(small)
    expect(Object.isFrozen(config.deployments[0]?.timeouts)).toBe(true)
  })

  it('is the same from an empty file as from none', () => {
    const fromNothing = parseConfig({ env: {} })
    expect(fromNothing).toEqual(parseConfig({ env: {}, source: { file: 'f', text: '# nothing\n' } }))
    expect(fromNothing.kind === 'config' && fromNothing.config.deployments).toEqual([])
  })
})

describe('maskConfig', () => {
  it('prints no secret', () => {
    const config = load(`
model_list:
  - model_name: a
    litellm_params: {model: openai/x, api_base: "http://user:hidden-1@h/v1", api_key: hidden-2, max_tokens: 5, extra_headers: {X-Token: hidden-3}, extra_body: {api_key: hidden-4}}
general_settings: {master_key: hidden-5, database_url: "postgres://u:hidden-6@h/d"}
`)
    const printed = JSON.stringify(maskConfig(config))
    expect(printed).not.toContain('hidden')
    expect(printed).toContain('"max_tokens":5')
    expect(printed).toContain('postgres://u:***@h/d')
  })
})
