import { type InferqConfig, parseConfig } from '@inferq/config'
import { createRouter, quietDeployments, type RouteRequest } from '@inferq/routing'
import { percentilesOf } from './measure/statistics.ts'
import { formatNumber, formatTable } from './report/format.ts'

const modelCount = 200
const deploymentsPerModel = 5
const ruleCount = 100
/** What a decision may take at most, at the median and in the 99th percentile alike. */
const targetMicroseconds = 100

const warmUpDecisions = 20_000
const decisions = 100_000

/**
 * Times routing decisions over 1,000 deployments of 200 models and 100 rules in CEL, each by itself. The requests of the
 * first rows meet no rule, so that all 100 conditions are asked; the last ones have the prompts estimated.
 */
export function benchRouting(): string {
  const config = buildConfig()
  const router = createRouter(config)
  const withoutRules = createRouter({ ...config, routing: { ...config.routing, rules: [] } })
  const rows = requests().map(([name, request, isPlain]) => {
    const { route } = isPlain ? withoutRules : router
    const { p50, p99 } = percentilesOf(time(() => route(request, quietDeployments)))
    return [name, formatNumber(p50), formatNumber(p99), p50 <= targetMicroseconds ? 'yes' : 'NO']
  })
  const title = `${config.deployments.length} deployments of ${modelCount} models, ${config.routing.rules.length} rules`
  const table = formatTable(['decision', 'p50 µs', 'p99 µs', `p50 ≤ ${targetMicroseconds} µs`], rows)
  return `${title}, ${decisions} decisions each\n\n${table}`
}

/** In µs, one for each decision. */
function time(decide: () => unknown): readonly number[] {
  for (let round = 0; round < warmUpDecisions; round += 1) decide()
  const times = new Array<number>(decisions)
  for (let round = 0; round < decisions; round += 1) {
    const startedAt = process.hrtime.bigint()
    decide()
    times[round] = Number(process.hrtime.bigint() - startedAt) / 1000
  }
  return times
}

/** `true`: without rules. */
function requests(): readonly (readonly [string, RouteRequest, boolean])[] {
  const chat = (model: string, content: string, metadata: Readonly<Record<string, unknown>> = {}): RouteRequest => ({
    model,
    operation: 'chat',
    body: { model, messages: [{ role: 'user', content }], max_tokens: 200 },
    caller: { user: 'ann', team: 'research', key: 'key_1', metadata },
    metadata: { source: 'bench' },
    headers: {},
    now: Date.now(),
    random: Math.random,
  })
  const long = 'The quick brown fox jumps over the lazy dog. '.repeat(10_000)
  return [
    ['a model, no rules in the configuration', chat('model-7', 'Hi'), true],
    ['a model with fallbacks, no rules', chat('model-0', 'Hi'), true],
    ['none of 100 rules', chat('model-7', 'Hi'), false],
    ['the 50th rule', chat('model-7', 'Hi', { user_tier: 'tier-49' }), false],
    ['a sticky split, the last rule', chat('split', 'Hi'), false],
    ['none of 100 rules, 450,000 characters', chat('model-7', long), false],
  ]
}

function buildConfig(): InferqConfig {
  const entries = Array.from({ length: modelCount * deploymentsPerModel }, (_, index) => {
    const model = `model-${index % modelCount}`
    const params = { model: 'openai/gpt-4o-mini', api_key: 'none', api_base: `http://127.0.0.1:${10_000 + index}/v1` }
    const info = { class: `class-${index % 10}`, context_window: 128_000, id: `${model}-${index}` }
    return { model_name: model, litellm_params: { ...params, weight: 1 + (index % 3) }, model_info: info }
  })
  const rules = Array.from({ length: ruleCount - 1 }, (_, index) => ({
    condition: [
      `user_tier == 'tier-${index}' && operation == 'chat'`,
      `user_tier == 'tier-${index}' || task_type == 'task-${index}'`,
      `user_tier == 'tier-${index}' || (team == 'team-${index}' && 'tag-${index}' in tags)`,
      `user_tier == 'tier-${index}' || tokens > ${200_000 + index}`,
    ][index % 4],
    model: `model-${index % modelCount}`,
  }))
  const split = { condition: "model == 'split'", split: { 'model-1': 90, 'model-2': 10 }, sticky_by: 'user' }
  const text = JSON.stringify({
    model_list: entries,
    routing: [...rules, split],
    router_settings: { fallbacks: [{ 'model-0': ['model-3', 'model-4'] }] },
  })
  const result = parseConfig({ source: { file: 'bench', text }, env: {} })
  if (result.kind === 'config') return result.config
  throw new Error(`the bench's configuration is wrong: ${JSON.stringify(result.faults.slice(0, 3))}`)
}
