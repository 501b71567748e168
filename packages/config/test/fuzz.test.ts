import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { parseConfig } from '../src/index.ts'

const env = { KEY: 'sk-test', OPENAI_API_KEY: 'sk-test' }
const keys = [
  ...['model_list', 'model_name', 'litellm_params', 'model_info', 'model', 'api_key', 'api_base', 'timeout', 'weight'],
  ...['classes', 'workers', 'retention', 'general_settings', 'router_settings', 'litellm_settings', 'headers', 'class'],
  ...[
    'routing',
    'routing_rules',
    'condition',
    'split',
    'cascade',
    'heuristic',
    'simple',
    'fallbacks',
    'fallback',
    'primary',
  ],
  ...[
    'router_settings',
    'model_group_alias',
    'default_fallbacks',
    'load_balancing',
    'provider',
    'api_keys',
    'pricing',
    'input',
  ],
  ...[
    'cache',
    'rate_limits',
    'budget_limits',
    'breaker',
    'models',
    'feature',
    'retry_policy',
    'allowed_fails',
    'strategy',
  ],
  ...['environment_variables', 'include', 'mode', 'options', 'concurrency', 'lock_s', 'results', 'extra_body', '<<'],
]
const leaf = fc.oneof(
  fc.constantFrom(
    'ollama/x',
    'gpt-4o',
    'vllm/y',
    'os.environ/KEY',
    `\${KEY}`,
    `\${NO:-1}`,
    'file:/x',
    'http://h',
    '*a',
    'a',
    'tokens > 5',
    'openai/*',
  ),
  fc.string(),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
)
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaf,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), tie('tree'), { maxKeys: 6 }),
  ),
}))

const map = fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), tree, { maxKeys: 6 })

function parse(text: string): ReturnType<typeof parseConfig> {
  return parseConfig({ source: { file: 'f', text }, env })
}

/** Either a configuration, or faults that say where, what and what instead. */
function isWhole(text: string): void {
  const result = parse(text)
  if (result.kind === 'config') return
  expect(result.faults.length).toBeGreaterThan(0)
  for (const fault of result.faults) {
    expect(fault.found).not.toBe('')
    expect(fault.expected).not.toBe('')
    expect(fault.line).toBeGreaterThanOrEqual(0)
  }
}

const codePoint = fc.nat({ max: 0x10_ff_ff }).map((code) => String.fromCodePoint(code))

describe('whatever the file holds, the result is a configuration or faults', () => {
  it('for any text', () => {
    fc.assert(fc.property(fc.string({ unit: codePoint, maxLength: 300 }), isWhole), { numRuns: 300 })
  })

  it('for any bytes read as text', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => new TextDecoder().decode(array))
    fc.assert(fc.property(bytes, isWhole), { numRuns: 300 })
  })

  it('for any YAML with our keys in any place', () => {
    fc.assert(
      fc.property(tree, (value) => isWhole(stringify(value) ?? '')),
      { numRuns: 300 },
    )
  })

  it('and no row of the database makes it invalid', () => {
    const rows = fc.array(fc.record({ id: fc.string(), modelName: fc.string(), litellmParams: map, modelInfo: map }))
    fc.assert(
      fc.property(rows, (overlay) => {
        const result = parseConfig({ env, overlay })
        if (result.kind === 'invalid') throw new Error(JSON.stringify(result.faults))
        const served = new Set(result.config.deployments.map((deployment) => deployment.id))
        const faulty = new Set(result.config.overlayFaults.map((fault) => fault.key))
        for (const { id } of overlay) {
          expect(served.has(id) || [...faulty].some((key) => key.startsWith(id) || key === '')).toBe(true)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('for a good file with a part cut out or doubled', () => {
    const good = `model_list:
  - &a {model_name: a, litellm_params: {model: ollama/x, api_base: "http://h:1", timeout: 5}, model_info: {class: c}}
  - model_name: b
    litellm_params: {model: openai/y, api_key: os.environ/KEY, extra_body: {a: [1, {b: c}]}}
classes: {c: {concurrency: 3, options: {num_ctx: 1}}}
retention: {results: 7d}
`
    const cut = fc.tuple(fc.nat(good.length), fc.nat(60), fc.boolean())
    fc.assert(
      fc.property(cut, ([from, length, double]) => {
        const part = good.slice(from, from + length)
        isWhole(good.slice(0, from) + (double ? part + part : '') + good.slice(from + length))
      }),
      { numRuns: 300 },
    )
  })
})
