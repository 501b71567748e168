import { describe, expect, it } from 'vitest'
import type { RoutingRule } from '../src/index.ts'
import { faultsOf, load, models } from './support.ts'

const list = models('a', 'b', 'c')

function rule(text: string): RoutingRule {
  const [first] = load(`${list}routing:\n  - ${text}`).routing.rules
  if (first === undefined) throw new Error('no rule')
  return first
}

describe('a routing rule', () => {
  it('carries all its parts, and where it stands', () => {
    expect(
      rule(
        `{name: long ones, condition: "tokens > 30000", task: t, feature: f, tags: [x, y], model: b, strategy: cost_optimized, max_cost: 0.01}`,
      ),
    ).toEqual({
      id: 'long ones',
      place: 'inferq.yaml:6',
      when: { condition: 'tokens > 30000', task: 't', feature: 'f', tags: ['x', 'y'] },
      to: { kind: 'model', model: 'b' },
      strategy: 'cost-optimized',
      maxCostUsd: 0.01,
    })
  })

  it('splits, sticky by user unless it says otherwise', () => {
    const shares = [
      { model: 'a', weight: 90 },
      { model: 'b', weight: 10 },
    ]
    expect(rule('{split: {a: 90, b: 10}}').to).toEqual({ kind: 'split', shares, stickyBy: 'user' })
    expect(rule('{split: {a: 90, b: 10}, sticky_by: team}').to).toEqual({ kind: 'split', shares, stickyBy: 'team' })
  })

  it('has all its faults told at once', () => {
    const faults = faultsOf(`${list}routing:\n  - {condition: "user_tier =", model: nobody}`)
    expect(faults.filter((fault) => /condition/.test(fault))).toHaveLength(1)
    expect(faults.filter((fault) => /"nobody"/.test(fault))).toHaveLength(1)
  })

  it('tells kinds of requests apart', () => {
    expect(rule('{heuristic: {simple: a, code: b, long: c}}').to).toEqual({
      kind: 'heuristic',
      models: { simple: 'a', code: 'b', long: 'c' },
    })
  })

  it('cascades on every sign that can be seen', () => {
    const signs = ['refusal', 'truncation', 'invalid_json', 'invalid_tool_call']
    expect(rule('{cascade: [a, b]}').to).toEqual({ kind: 'cascade', models: ['a', 'b'], escalateOn: signs })
    expect(rule('{cascade: [a, b, c], min_logprob: -1.5, check: "size(output) > 3"}').to).toEqual({
      kind: 'cascade',
      models: ['a', 'b', 'c'],
      escalateOn: [...signs, 'low_logprob'],
      minLogprob: -1.5,
      check: 'size(output) > 3',
    })
    expect(rule('{cascade: [a, b], escalate_on: [refusal]}').to).toMatchObject({ escalateOn: ['refusal'] })
  })

  it('may only set how a deployment is chosen', () => {
    expect(rule('{tags: cheap, strategy: cost-based-routing}')).toMatchObject({
      when: { tags: ['cheap'] },
      to: { kind: 'asked' },
      strategy: 'cost-optimized',
    })
  })

  it('names models by their aliases, and what a wildcard matches', () => {
    const config = load(`
model_list:
  - {model_name: a, litellm_params: {model: ollama/a}}
  - {model_name: "openai/*", litellm_params: {model: "openai/*", api_key: k}}
router_settings: {model_group_alias: {fast: a, old: {model: a, hidden: true}}}
routing: [{split: {fast: 1, openai/gpt-4o: 1}}]
fallbacks: [{fast: [openai/gpt-4o]}]
`)
    expect(config.routing.rules[0]?.to).toMatchObject({ shares: [{ model: 'a' }, { model: 'openai/gpt-4o' }] })
    expect(config.routing.fallbacks.any).toEqual({ a: ['openai/gpt-4o'] })
    expect(config.routing.aliases).toEqual({ fast: { model: 'a', hidden: false }, old: { model: 'a', hidden: true } })
  })

  it.each<[string, string, RegExp]>([
    [
      'a condition that does not parse',
      `{condition: "user_tier = 'x'", model: a}`,
      /^f:6: routing\[0\]\.condition: found a condition with a fault \(Unexpected character: = at character 11\)/,
    ],
    ['an unknown variable', `{condition: "user_teir == 'x'", model: a}`, /did you mean "user_tier"\?/],
    ['an unknown model', '{task: x, model: d}', /^f:6: routing\[0\]\.model: found "d"; expected one of a, b, c/],
    ['an unknown model in a split', '{split: {a: 1, d: 1}}', /routing\[0\]\.split\.d: found "d"/],
    ['an unknown model in a heuristic', '{heuristic: {simple: a, code: d}}', /heuristic\.code: found "d"/],
    ['an unknown model in a cascade', '{cascade: [a, d]}', /cascade\[1\]: found "d"/],
    ['two targets', '{model: a, split: {a: 1}}', /found both model and split/],
    ['nothing to do', '{task: x}', /a rule that does nothing/],
    ['a split of nothing', '{split: {a: 0}}', /a split without shares/],
    ['a negative share', '{split: {a: 1, b: -1}}', /found -1; expected a number of at least 0/],
    ['a heuristic without simple', '{heuristic: {code: a}}', /a heuristic without simple/],
    ['an unknown kind', '{heuristic: {simple: a, cod: b}}', /did you mean "code"\?/],
    ['a cascade of one', '{cascade: [a]}', /at least two models/],
    ['a cascade with a repeated model', '{cascade: [a, a]}', /each once/],
    [
      'low_logprob without its bound',
      '{cascade: [a, b], escalate_on: [low_logprob]}',
      /low_logprob without min_logprob/,
    ],
    [
      'a bound that nothing looks at',
      '{cascade: [a, b], escalate_on: [refusal], min_logprob: -1}',
      /which nothing looks at/,
    ],
    ['an unknown sign', '{cascade: [a, b], escalate_on: [refusel]}', /did you mean "refusal"\?/],
    [
      'a check that does not parse',
      '{cascade: [a, b], check: "tokens > 1"}',
      /check with a fault \(unknown variable tokens/,
    ],
    ['sticky_by without a split', '{model: a, sticky_by: user}', /sticky_by without split/],
    ['an unknown strategy', '{model: a, strategy: least_bussy}', /did you mean "least-busy"\?/],
    ['a price limit of 0', '{model: a, max_cost: 0}', /expected a number above 0/],
    ['a misspelt key', '{modle: a}', /did you mean "model"\?/],
    [
      'a name for two',
      `{name: x, model: a}\n  - {name: x, model: b}`,
      /^f:7: routing\[1\]: found the rule "x" again, after f:6/,
    ],
    ['a rule that is a text', 'premium to gpt-4', /expected keys with values/],
  ])('is refused for %s', (_, text, fault) => {
    const faults = faultsOf(`${list}routing:\n  - ${text}`)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })
})

describe('model_group_alias', () => {
  const alias = (text: string): string[] => faultsOf(`${list}router_settings: {model_group_alias: {${text}}}`)
  it.each<[string, string, RegExp]>([
    ['an unknown model', 'x: d', /model_group_alias\.x: found "d"; expected one of a, b, c/],
    ['a name that a model has', 'a: b', /the alias "a", which is a model too/],
    ['another alias', 'x: a, y: x', /the alias "x"; expected a model, not another alias/],
    ['a wildcard', '"x*": a', /expected a name without \*/],
    ['no model', 'x: {hidden: true}', /found no model/],
  ])('is refused for %s', (_, text, fault) => {
    const faults = alias(text)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })
})

describe('the routing strategy', () => {
  const strategyOf = (text: string) => load(`${list}router_settings: {routing_strategy: ${text}}`).routing.strategy
  it.each([
    ['simple-shuffle', 'simple-shuffle'],
    ['simple_shuffle', 'simple-shuffle'],
    ['least-busy', 'least-busy'],
    ['latency-based-routing', 'latency-based'],
    ['usage-based-routing', 'usage-based'],
    ['usage-based-routing-v2', 'usage-based'],
    ['cost-based-routing', 'cost-optimized'],
    ['cost_optimized', 'cost-optimized'],
    ['round_robin', 'round-robin'],
    ['hybrid', 'hybrid'],
    ['simple-fallback', 'simple-shuffle'],
  ])('%s is %s', (name, strategy) => {
    expect(strategyOf(name)).toBe(strategy)
  })

  it('is refused when it is none', () => {
    expect(faultsOf(`${list}router_settings: {routing_strategy: fastest}`)[0]).toMatch(/expected one of simple-shuffle/)
  })

  it('has weights where it is hybrid', () => {
    const weights = (text: string) => load(`${list}router_settings: {${text}}`).routing.hybridWeights
    expect(weights('routing_strategy: hybrid')).toEqual({ cost: 1, latency: 1, load: 1 })
    expect(weights('hybrid_weights: {cost: 3, load: 1}')).toEqual({ cost: 3, latency: 0, load: 1 })
    expect(faultsOf(`${list}router_settings: {hybrid_weights: {cost: 0}}`)[0]).toMatch(/weights of nothing/)
  })
})
