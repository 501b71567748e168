import { describe, expect, it } from 'vitest'
import { formatFault, parseConfig } from '../src/index.ts'

function faultsOf(text: string, env: Record<string, string> = {}): string[] {
  const result = parseConfig({ source: { file: 'f', text }, env })
  return result.kind === 'invalid' ? result.faults.map(formatFault) : []
}

const model = (params: string): string => `model_list:\n  - model_name: a\n    litellm_params: {${params}}\n`
const ollama = 'model: ollama/x'

/** What a file says, the environment it meets, and a part of the one fault it has. */
const table: readonly (readonly [string, string, RegExp])[] = [
  ['broken YAML', 'model_list: [', /^f:\d+: found broken YAML/],
  ['a tab for indentation', 'a:\n\t- b', /broken YAML/],
  ['no map at the top', '- a', /^f:1: found a list of 1; expected keys with values$/],
  ['a misspelt section', 'model_lst: []', /^f:1: model_lst: found an unknown key; .*did you mean "model_list"\?$/],
  ['a section unlike any', 'zzzzzz: 1', /zzzzzz: found an unknown key; expected one of model_list/],
  ['a repeated section', 'workers: {}\nworkers: {}', /^f:2: workers: found the key again, after line 1/],
  ['a model_list that is a map', 'model_list: {a: 1}', /^f:1: model_list: found keys \(a\); expected a list$/],
  ['an empty model_list', 'model_list: []', /found an empty model_list/],
  ['an entry that is a text', 'model_list: [gpt-4o]', /model_list\[0\]: found "gpt-4o"; expected keys with values/],
  ['no model_name', 'model_list: [{litellm_params: {model: ollama/x}}]', /found no model_name/],
  ['no litellm_params', 'model_list: [{model_name: a}]', /found no litellm_params/],
  [
    'no model',
    model('temperature: 1'),
    /^f:3: model_list\[0\]\.litellm_params: found no model; expected model, such as/,
  ],
  ['a misspelt parameter', model(`${ollama}, temprature: 1`), /f:3: .*temprature: .*did you mean "temperature"\?/],
  ['a camel-case parameter', model(`${ollama}, apiBase: "http://h"`), /did you mean "api_base"\?/],
  ['a misspelt key of model_info', `${model(ollama)}    model_info: {clas: x}`, /^f:4: .*did you mean "class"\?/],
  ['a provider to come', model('model: replicate/x'), /provider replicate\).*not supported yet$/],
  [
    'Anthropic without a key',
    model('model: claude-3-5-sonnet'),
    /a model of anthropic without a key; expected api_key/,
  ],
  ['a misspelt provider', model('model: olama/x'), /no provider is named olama\).*did you mean "ollama\/"\?/],
  ['a model without provider', model('model: my-model'), /names no provider; .*for example "openai\/my-model"/],
  ['a prefix alone', model('model: ollama/'), /a model name after the slash/],
  [
    'two stars in a name',
    'model_list: [{model_name: "*/*", litellm_params: {model: "ollama/*"}}]',
    /model_name: found "\*\/\*"; expected at most one \*/,
  ],
  [
    'a star behind a name without one',
    'model_list: [{model_name: a, litellm_params: {model: "ollama/*"}}]',
    /litellm_params\.model: found "\*" behind the name "a"; expected a \* in model_name too/,
  ],
  [
    'a missing variable',
    model(`${ollama}, api_key: os.environ/NOPE`),
    /api_key: found a reference to the environment variable NOPE, which is not set; expected a secret/,
  ],
  ['a missing variable in a text', model(`${ollama}, api_key: "x\${NOPE}"`), /variable NOPE, which is not set/],
  ['a missing secret file', model(`${ollama}, api_key: file:/none`), /the file \/none, which cannot be read/],
  [
    'OpenAI without a key',
    model('model: gpt-4o'),
    /without a key; expected api_key, or the environment variable OPENAI_API_KEY/,
  ],
  ['vLLM without a server', model('model: vllm/x'), /without api_base/],
  [
    'a base URL that is none',
    model(`${ollama}, api_base: "gpu-1:11434"`),
    /api_base: found "gpu-1:11434"; expected an http:\/\/ or/,
  ],
  [
    'a timeout of the wrong type',
    model(`${ollama}, timeout: soon`),
    /timeout: found "soon"; expected a number above 0/,
  ],
  ['a timeout of 0', model(`${ollama}, timeout: 0`), /expected a number above 0/],
  ['a weight below 0', model(`${ollama}, weight: -1`), /found -1; expected a number of at least 0/],
  ['a key that is a flag', model(`${ollama}, api_key: true`), /found a boolean; expected a text; put it in quotes/],
  ['a header with a line break', model(`${ollama}, headers: {x: "a\\nb"}`), /a line break/],
  ['an unknown mode', `${model(ollama)}    model_info: {mode: embeding}`, /did you mean "embedding"\?/],
  ['a mode to come', `${model(ollama)}    model_info: {mode: rerank}`, /not supported yet/],
  ['a class with a space', `${model(ollama)}    model_info: {class: "a b"}`, /expected a class name/],
  ['a class that no model has', `${model(ollama)}classes: {b: {}}`, /a class that no model has; expected one of a/],
  [
    'a concurrency of 0',
    `${model(ollama)}classes: {a: {concurrency: 0}}`,
    /a whole number of at least 1 and at most 10000/,
  ],
  ['a queue for nobody', `${model(ollama)}classes: {a: {max_queue: 0}}`, /max_queue: found 0; expected a whole number/],
  ['half a job at once', `${model(ollama)}classes: {a: {concurrency: 1.5}}`, /whole number/],
  [
    'an unknown default model',
    `${model(ollama)}general_settings: {completion_model: b}`,
    /^f:4: general_settings\.completion_model: found "b"; expected one of a/,
  ],
  ['an unknown general setting', 'general_settings: {mastr_key: x}', /did you mean "master_key"\?/],
  ['an unknown router setting', 'router_settings: {num_retrys: 1}', /did you mean "num_retries"\?/],
  ['a misspelt setting of LiteLLM', 'litellm_settings: {sucess_callback: []}', /did you mean "success_callback"\?/],
  ['an unknown worker setting', 'workers: {lock: 1}', /workers\.lock: found an unknown key/],
  ['a duration that is none', 'retention: {results: forever}', /expected a duration such as 30s/],
  ['files of a type that is none', 'files: {type: ftp}', /expected one of local, s3/],
  ['S3 without a bucket', 'files: {type: s3, region: r, access_key_id: a, secret_access_key: s}', /no "bucket"/],
  [
    'a bucket on the disk',
    'files: {type: local, bucket: b}',
    /files\.bucket: found "bucket"; expected only with type: s3/,
  ],
  ['an alias that contains itself', 'a: &a [*a]', /found (too much|broken YAML)/],
]

describe('a bad file', () => {
  it.each(table)('is refused for %s', (_, text, fault) => {
    const faults = faultsOf(text)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })

  it('has all its faults named at once, in the order of the file', () => {
    const faults = faultsOf(`model_list:
  - model_name: a
    litellm_params: {model: gpt-4o, temprature: 1, timeout: x}
  - litellm_params: {model: ollama/b}
  - model_name: c
    litellm_params: {model: replicate/c}
workers: {lock_s: 0}
nonsense: 1
`)
    expect(faults.map((fault) => fault.split(': ', 2).join(' '))).toEqual([
      'f:3 model_list[0].litellm_params.temprature',
      'f:3 model_list[0].litellm_params.timeout',
      'f:3 model_list[0].litellm_params.model',
      'f:4 model_list[1]',
      'f:6 model_list[2].litellm_params.model',
      'f:7 workers.lock_s',
      'f:8 nonsense',
    ])
  })

  it('is not the only thing that can be wrong: so can the environment', () => {
    const env = { OPENAI_API_KEY: 'hidden', OPENAI_API_KEY_FILE: '/hidden', INFERQ_MASTER_KEY_FILE: '/none' }
    expect(faultsOf(model('model: gpt-4o'), env)).toEqual([
      'environment: OPENAI_API_KEY: found both OPENAI_API_KEY and OPENAI_API_KEY_FILE; expected one value, or none',
      'environment: INFERQ_MASTER_KEY: found the file /none, which cannot be read; expected one value, or none',
    ])
  })

  it('prints no secret in its faults', () => {
    const text = `
model_list: [{model_name: a, litellm_params: {model: ollama/x, api_key: [hidden], api_base: "ftp://u:hidden@h"}}]
general_settings: {master_key: {hidden: hidden}, database_url: false}`
    const faults = faultsOf(text).filter((fault) => !fault.includes('keys (hidden)'))
    expect(faults.join()).not.toContain('hidden')
  })

  it('does not multiply aliases without end', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level < 12; level += 1) {
      const before = `*a${level - 1}`
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => before).join(', ')}]`)
    }
    expect(faultsOf(lines.join('\n'))[0]).toMatch(/found too much/)
  })
})
