import { type DetectedBackend, type InferqConfig, parseConfig } from '@inferq/config'
import { describe, expect, it } from 'vitest'
import { describeBackends, exampleCall, formatFirstRun } from '../src/first-run.ts'

function load(input: { text?: string; detected?: readonly DetectedBackend[] }): InferqConfig {
  const source = input.text === undefined ? {} : { source: { file: 'f', text: input.text } }
  const detected = input.detected === undefined ? {} : { detected: input.detected }
  const result = parseConfig({ env: { OPENAI_API_KEY: 'sk-hidden' }, ...source, ...detected })
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.faults))
  return result.config
}

const simulated = load({
  detected: [
    { provider: 'openai', baseUrl: 'http://127.0.0.1:9/v1', simulated: true, models: [{ name: 'simulated' }] },
  ],
})
const ollama: DetectedBackend = {
  provider: 'ollama',
  baseUrl: 'http://127.0.0.1:11434',
  models: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
}
const vllm: DetectedBackend = { provider: 'vllm', baseUrl: 'http://gpu-1:8000', models: [{ name: 'd' }] }

const facts = {
  version: '0.1.0',
  readyMs: 3_123,
  baseUrl: 'http://127.0.0.1:4000',
  config: simulated,
  configFile: undefined,
  key: { kind: 'development', value: 'sk-inferq-dev-0' },
  logFile: undefined,
} as const

describe('the first run', () => {
  it('ends with what the user needs, and with nothing that does not exist', () => {
    expect(formatFirstRun(facts).split('\n')).toEqual([
      '',
      'inferq 0.1 ready in 3.1 s                       (Ctrl-C stops)',
      '  API       http://127.0.0.1:4000/v1     docs /docs',
      '  Key       sk-inferq-dev-0  (same after a restart)',
      '  Backend   none found: the built-in simulated model',
      `  Try       ${exampleCall('http://127.0.0.1:4000', 'sk-inferq-dev-0', simulated)}`,
    ])
  })

  it('shows no key of the user, and says where the logs are', () => {
    const text = formatFirstRun({
      ...facts,
      key: { kind: 'own', value: 'sk-hidden' },
      logFile: '.inferq/log/inferq.log',
    })
    expect(text).not.toContain('hidden')
    expect(text).toContain('  Key       the master key you configured\n')
    expect(text).toContain('  Logs      .inferq/log/inferq.log\n')
    expect(text).toContain('Bearer $INFERQ_MASTER_KEY')
  })

  it('names every backend, where it is, and how many models it has', () => {
    expect(describeBackends(load({ detected: [ollama, vllm] }), undefined)).toBe(
      'Ollama at :11434, 3 models; vLLM at gpu-1:8000, 1 model',
    )
    const text = 'model_list: [{model_name: a, litellm_params: {model: gpt-4o}}]'
    expect(describeBackends(load({ text }), 'inferq.yaml')).toBe('OpenAI at api.openai.com, 1 model  (inferq.yaml)')
  })

  it('names no model where only wildcards are known', () => {
    const cloud: DetectedBackend = {
      provider: 'openai',
      baseUrl: 'https://api.openai.com/v1',
      models: [{ name: 'openai/*', upstreamModel: '*' }],
    }
    expect(describeBackends(load({ detected: [cloud] }), undefined)).toBe('OpenAI at api.openai.com, all its models')
    expect(exampleCall('http://h', 'k', load({ detected: [cloud] }))).toBe(
      'curl http://h/v1/models -H "authorization: Bearer k"',
    )
    expect(describeBackends(load({}), undefined)).toBe('none yet: add models with POST /model/new')
  })

  it('gives a call that suits the models', () => {
    const embedding: DetectedBackend = { ...vllm, models: [{ name: "it's bge", mode: 'embedding' }] }
    expect(exampleCall('http://h', 'k', load({ detected: [embedding] }))).toBe(
      `curl -N http://h/v1/embeddings -H "authorization: Bearer k" -H "content-type: application/json" -d '{"model":"it'\\''s bge","input":"Hello"}'`,
    )
    expect(exampleCall('http://h', 'k', load({ detected: [ollama] }))).toContain('/v1/chat/completions')
  })
})
