import { type InferqConfig, parseConfig } from '@inferq/config'
import { describe, expect, it } from 'vitest'
import { lacking, pinConfig, pinnedClasses, targetsOf } from '../../src/node/pin-config.ts'

const text = `
model_list:
  - {model_name: a, litellm_params: {model: hosted_vllm/a-model, api_base: "http://elsewhere:1/v1", api_key: sk-vllm}}
  - {model_name: b, litellm_params: {model: ollama/b-model, api_base: "http://elsewhere:2"}}
  - {model_name: c, litellm_params: {model: openai/c-model, api_base: "http://elsewhere:3/v1"}}
  - {model_name: d, litellm_params: {model: openai/d-model, api_key: sk-openai}}
  - {model_name: e, litellm_params: {model: groq/e-model, api_key: sk-groq}}
  - {model_name: f, litellm_params: {model: lm_studio/f-model}, model_info: {class: a}}
`
const parsed = parseConfig({ source: { file: 'a.yaml', text }, env: {} })
const config = parsed.kind === 'config' ? parsed.config : ({} as InferqConfig)
const pinned = pinConfig(config, 'http://127.0.0.1:8000/')

describe('a configuration pinned to a backend', () => {
  it('calls what is self-hosted there, as its wire has it, and clouds where they are', () => {
    const addresses = Object.fromEntries(pinned.deployments.map(({ model, baseUrl }) => [model, baseUrl]))
    expect(addresses).toEqual({
      a: 'http://127.0.0.1:8000/v1',
      b: 'http://127.0.0.1:8000',
      c: 'http://127.0.0.1:8000/v1',
      d: 'https://api.openai.com/v1',
      e: 'https://api.groq.com/openai/v1',
      f: 'http://127.0.0.1:8000/v1',
    })
    expect(pinned.models.flatMap((model) => model.deployments)).toEqual(pinned.deployments)
  })

  it('is the same configuration to others, and keeps its circuits to itself', () => {
    expect(pinned.fingerprint).toBe(config.fingerprint)
    expect(pinned.deployments.map(({ id }) => id)).toEqual(config.deployments.map(({ id }) => id))
    expect([config.breaker.enabled, pinned.breaker.enabled]).toEqual([true, false])
  })

  it('serves the classes with a self-hosted model', () => {
    expect(pinnedClasses(pinned).map(({ name }) => name)).toEqual(['a', 'b', expect.any(String)])
  })

  it('is asked for its models once on each wire, with the key of the deployment', () => {
    expect(targetsOf(pinned, ['a'])).toEqual([
      { wire: 'vllm', baseUrl: 'http://127.0.0.1:8000/v1', apiKey: 'sk-vllm' },
      { wire: 'openai', baseUrl: 'http://127.0.0.1:8000/v1', apiKey: undefined },
    ])
  })

  it('knows what a backend lacks: by wire, with Ollama’s short names', () => {
    const [a, b] = pinnedClasses(pinned)
    if (a === undefined || b === undefined) throw new Error('no classes')
    expect(lacking(a, new Map([['vllm', ['a-model']]]))).toEqual(['f-model'])
    expect(lacking(b, new Map([['vllm', ['b-model']]]))).toEqual(['b-model'])
    expect(lacking(b, new Map([['ollama', ['b-model:latest']]]))).toEqual([])
  })
})
