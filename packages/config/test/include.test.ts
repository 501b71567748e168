import { describe, expect, it } from 'vitest'
import { formatFault, type InferqConfig, parseConfig } from '../src/index.ts'

/** Paths are taken as they are: who hands them in resolves them. */
function parse(files: Readonly<Record<string, string>>, env: Record<string, string> = {}) {
  const text = files['main.yaml'] ?? ''
  const readInclude = (path: string, from: string) => {
    const file = from.includes('/') ? `${from.slice(0, from.lastIndexOf('/'))}/${path}` : path
    const found = files[file]
    return found === undefined ? null : { file, text: found }
  }
  return parseConfig({ source: { file: 'main.yaml', text }, env, readInclude })
}

function load(files: Readonly<Record<string, string>>, env?: Record<string, string>): InferqConfig {
  const result = parse(files, env)
  if (result.kind === 'invalid') throw new Error(result.faults.map(formatFault).join('\n'))
  return result.config
}

function faultsOf(files: Readonly<Record<string, string>>): string[] {
  const result = parse(files)
  return result.kind === 'invalid' ? result.faults.map(formatFault) : []
}

const model = (name: string) => `{model_name: ${name}, litellm_params: {model: ollama/${name}}}`

describe('include', () => {
  it('appends lists in the order of inclusion, over several levels', () => {
    const config = load({
      'main.yaml': `include: [sub/a.yaml, c.yaml]\nmodel_list: [${model('main')}]\nfallbacks: [{main: [a]}]`,
      'sub/a.yaml': `include: [b.yaml]\nmodel_list: [${model('a')}]\nfallbacks: [{a: [b]}]`,
      'sub/b.yaml': `model_list: [${model('b')}]`,
      'c.yaml': `model_list: [${model('c')}]`,
    })
    expect(config.models.map(({ name }) => name)).toEqual(['main', 'a', 'b', 'c'])
    expect(config.routing.fallbacks.any).toEqual({ main: ['a'], a: ['b'] })
  })

  it('lets the including file win, says what lost, and keeps what it says nothing of', () => {
    const config = load({
      'main.yaml': `include: other.yaml\nworkers: {drain_s: 1}\nrouter_settings: {num_retries: 0}`,
      'other.yaml': `workers: {drain_s: 9, lock_s: 20}\nretention: {results: 1h}\nmodel_list: [${model('a')}]`,
    })
    expect(config.workers).toMatchObject({ drainSeconds: 1, lockSeconds: 20, maxAttempts: 1 })
    expect(config.retention.resultSeconds).toBe(3600)
    expect(config.unused).toEqual(['workers.drain_s: said otherwise in main.yaml (other.yaml:1)'])
  })

  it('takes a file that is nothing but a list of models', () => {
    const config = load({ 'main.yaml': 'include: [list.yaml]', 'list.yaml': `- ${model('a')}\n- ${model('b')}` })
    expect(config.models.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('takes environment_variables of every file, and variables in the paths', () => {
    const files = {
      'main.yaml': `include: ["\${NAME}.yaml"]\nmodel_list: [${model('a')}]\ngeneral_settings: {master_key: os.environ/K}`,
      'x.yaml': 'environment_variables: {K: sk-from-include}',
    }
    expect(load(files, { NAME: 'x' }).masterKey).toBe('sk-from-include')
  })

  it('reads a file once that is included twice', () => {
    const config = load({
      'main.yaml': 'include: [a.yaml, b.yaml]',
      'a.yaml': 'include: [b.yaml]',
      'b.yaml': `model_list: [${model('b')}]`,
    })
    expect(config.models[0]?.deployments).toHaveLength(1)
  })

  it('has its faults told with their file and line, each file by itself', () => {
    expect(
      faultsOf({
        'main.yaml': `include: [a.yaml]\nworkers: {lock: 1}\nretention: {resuls: 1}`,
        'a.yaml': `\nmodel_list: [{model_name: a, litellm_params: {model: ollama/a, temprature: 1}}]`,
      }).map((fault) => fault.split(': found')[0]),
    ).toEqual([
      'a.yaml:2: model_list[0].litellm_params.temprature',
      'main.yaml:2: workers.lock',
      'main.yaml:3: retention.resuls',
    ])
  })

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a file that is not there',
      { 'main.yaml': 'include: [no.yaml]' },
      /^main.yaml:1: include\[0\]: found the file no.yaml, which cannot be read/,
    ],
    [
      'a circle',
      { 'main.yaml': 'include: [a.yaml]', 'a.yaml': 'workers: {}\ninclude: [b.yaml]', 'b.yaml': 'include: [a.yaml]' },
      /^b.yaml:1: .*a circle of files: a.yaml → b.yaml → a.yaml/,
    ],
    ['a file that includes itself', { 'main.yaml': 'include: [main.yaml]' }, /main.yaml → main.yaml/],
    [
      'broken YAML in an included file',
      { 'main.yaml': 'include: [a.yaml]', 'a.yaml': 'x: [' },
      /^a.yaml:\d: found broken YAML/,
    ],
    ['a file that is a text', { 'main.yaml': 'include: [a.yaml]', 'a.yaml': 'hello' }, /neither keys nor models/],
    [
      'a key twice in the included file',
      { 'main.yaml': 'include: [a.yaml]\nworkers: {}', 'a.yaml': 'workers: {}\nworkers: {}' },
      /^a.yaml:2: workers: found the key again/,
    ],
    ['something else than a list of files', { 'main.yaml': 'include: {a: 1}' }, /expected a list/],
  ])('is refused for %s', (_, files, fault) => {
    const faults = faultsOf(files)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })
})
