import { describe, expect, it } from 'vitest'
import { load } from './support.ts'

const text = `model_list:
  - {model_name: a, litellm_params: {model: ollama/x, api_key: k1, temperature: 1}}
  - {model_name: b, litellm_params: {model: ollama/x}}
routing: [{task: t, model: a}]
`
const fingerprint = (file: string): string => load(file).fingerprint

describe('the fingerprint', () => {
  it('is the same for files that do the same', () => {
    expect(fingerprint(text)).toMatch(/^[0-9a-f]{64}$/)
    expect(fingerprint(`# a comment\n\n${text}guardrails: []\n`)).toBe(fingerprint(text))
    expect(fingerprint(text.replace('{model: ollama/x, api_key: k1', '{api_key: k1, model: ollama/x'))).toBe(
      fingerprint(text),
    )
  })

  it.each([
    ['a key', 'k1', 'k2'],
    ['a parameter', 'temperature: 1', 'temperature: 0'],
    ['a rule', 'task: t', 'task: u'],
    ['a target', 'task: t, model: a', 'task: t, model: b'],
    ['a name', 'model_name: b', 'model_name: c'],
  ])('is another for another %s', (_, from, to) => {
    expect(fingerprint(text.replace(from, to))).not.toBe(fingerprint(text))
  })

  it('is another for another section', () => {
    const all = [
      'workers: {drain_s: 1}',
      'breaker: {min_calls: 3}',
      'router_settings: {num_retries: 7}',
      'fallbacks: {a: b}',
    ]
    const seen = new Set([text, ...all.map((section) => text + section)].map(fingerprint))
    expect(seen.size).toBe(all.length + 1)
  })
})
