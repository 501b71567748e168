import { describe, expect, it } from 'vitest'
import { formatFault, type InferqConfig, type OverlayRow, parseConfig } from '../src/index.ts'
import { faultsOf, load, models } from './support.ts'

function row(id: string, modelName: string, params: Record<string, unknown>, modelInfo = {}): OverlayRow {
  return { id, modelName, litellmParams: { model: 'ollama/x', ...params }, modelInfo }
}

function withRows(text: string, ...overlay: readonly OverlayRow[]): InferqConfig {
  return load(text, { overlay, env: { KEY: 'sk-row' }, readFile: () => 'the text of a file' })
}

const list = models('a', 'b')

it.each<[string, object]>([
  ['a null model', { modelName: 'm', litellmParams: { model: null } }],
  ['no model', { modelName: 'm', litellmParams: {} }],
  ['an empty name', { modelName: '', litellmParams: { model: 'ollama/x' } }],
])('a row with %s is told of, never dropped in silence', (_, row) => {
  const overlay = [{ id: 'row1', modelName: 'm', litellmParams: {}, modelInfo: {}, ...row }]
  const result = parseConfig({ env: {}, overlay })
  expect(result.kind === 'config' && result.config.overlayFaults.map(({ key }) => key)).toEqual([
    expect.stringMatching(/^row1/),
  ])
})

it('an entry of a file whose values were left empty is a fault', () => {
  const text =
    'model_list:\n  - model_name:\n    litellm_params: {model: ollama/x}\n  - model_name: b\n    litellm_params:\n  - model_name: c\n    litellm_params: {model: }\n'
  const result = parseConfig({ source: { file: 'f', text }, env: {} })
  expect(result.kind === 'invalid' && result.faults.map(({ line, found }) => `${line} ${found}`)).toEqual([
    '2 no model_name',
    '5 no litellm_params',
    '7 no model',
  ])
})

describe('models of the database', () => {
  it('are laid over those of the file, under their own ids', () => {
    const config = withRows(
      list,
      row('row-1', 'new', { model: 'openai/gpt-4o', api_key: 'os.environ/KEY', rpm: 5, tags: ['x'] }, { mode: 'chat' }),
      row('row-2', 'a', {}),
    )
    expect(config.deployments.map(({ id, model, source }) => [id, model, source])).toEqual([
      ['a/ollama/x', 'a', 'file'],
      ['row-2', 'a', 'database'],
      ['b/ollama/x', 'b', 'file'],
      ['row-1', 'new', 'database'],
    ])
    expect(config.deployments[3]).toMatchObject({ apiKey: 'sk-row', limits: { rpm: 5 }, tags: ['x'], class: 'openai' })
    expect(config.overlayFaults).toEqual([])
  })

  it('serve where there is no file at all', () => {
    expect(withRows('', row('r', 'm', {})).models.map(({ name }) => name)).toEqual(['m'])
  })

  it('may be named by rules, fallbacks and aliases of the file', () => {
    const text = `${list}routing: [{task: x, model: new}]
router_settings: {fallbacks: [{a: [new]}], model_group_alias: {other: new}}
classes: {new: {concurrency: 2}}`
    expect(withRows(text, row('r', 'new', {})).routing).toMatchObject({
      rules: [{ to: { model: 'new' } }],
      fallbacks: { any: { a: ['new'] } },
      aliases: { other: { model: 'new' } },
    })
    expect(faultsOf(text)).toHaveLength(4)
  })

  it.each<[string, OverlayRow, RegExp]>([
    [
      'a misspelt key',
      row('r', 'm', { temprature: 1 }),
      /^database: r\.litellm_params\.temprature: .*did you mean "temperature"\?$/,
    ],
    ['a missing variable', row('r', 'm', { api_key: 'os.environ/NOPE' }), /api_key: .*variable NOPE, which is not set/],
    ['a file', row('r', 'm', { api_key: 'file:/etc/passwd' }), /a file, which only a configuration file may name/],
    [
      'a file in a parameter',
      row('r', 'm', { extra_body: { x: ['file:/etc/passwd'] } }),
      /only a configuration file may name/,
    ],
    ['an unknown provider', row('r', 'm', { model: 'olama/x' }), /did you mean "ollama\/"\?/],
    ['an unknown fallback', row('r', 'm', { fallbacks: ['x'] }), /fallbacks\[0\]: found "x"; expected one of a, b, m/],
    ['itself as fallback', row('r', 'm', { fallbacks: ['m'] }), /"m" as its own fallback/],
    ['a circle with the file', row('r', 'b', { fallbacks: ['a'] }), /a circle of fallbacks: a → b → a/],
    ['the name of an alias', row('r', 'alias', {}), /"alias", which is an alias too/],
    ['the id of another', row('mine', 'm', {}), /the id "mine" again/],
    ['parameters without end', row('r', 'm', { extra_body: deep(100) }), /found too much/],
  ])('are left out, and nothing else is, for %s', (_, bad, fault) => {
    const text = `model_list:
  - {model_name: a, litellm_params: {model: ollama/x, fallbacks: [b]}, model_info: {id: mine}}
  - {model_name: b, litellm_params: {model: ollama/x}}
router_settings: {model_group_alias: {alias: a}}`
    const config = withRows(text, bad, row('good', 'good', {}))
    expect(config.deployments.map(({ id }) => id)).toEqual(['mine', 'b/ollama/x', 'good'])
    expect(config.overlayFaults).toHaveLength(1)
    expect(config.overlayFaults.map(formatFault)[0]).toMatch(fault)
  })

  it('leave the rest of a fallback list to serve when one cannot', () => {
    const config = withRows(`${list}fallbacks: [{a: [new, b]}]`, row('r', 'new', { nonsense: 1 }))
    expect(config.routing.fallbacks.any).toEqual({ a: ['b'] })
    expect(config.overlayFaults).toHaveLength(1)
  })

  it('have the faults of the environment they alone meet for themselves', () => {
    const env = { OPENAI_API_KEY: 'k', OPENAI_API_KEY_FILE: '/k' }
    const config = load(list, { env, overlay: [row('r', 'm', { model: 'openai/gpt-4o' }), row('s', 'n', {})] })
    expect(config.models.map(({ name }) => name)).toEqual(['a', 'b', 'n'])
    expect(config.overlayFaults[0]?.key).toBe('OPENAI_API_KEY')
  })
})

function deep(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) value = [value]
  return value
}
