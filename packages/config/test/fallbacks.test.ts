import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InferqConfig } from '../src/index.ts'
import { faultsOf, load, models } from './support.ts'

const list = models('a', 'b', 'c', 'd')
const fallbacks = (text: string): InferqConfig['routing']['fallbacks'] => load(list + text).routing.fallbacks

describe('fallbacks', () => {
  it.each([
    ['as LiteLLM writes them', 'router_settings: {fallbacks: [{a: [b, c]}]}'],
    ['in litellm_settings', 'litellm_settings: {fallbacks: [{a: [b, c]}]}'],
    ['in a section of their own', 'fallbacks: [{a: [b, c]}]'],
    ['as a map', 'fallbacks: {a: [b, c]}'],
    ['as model and fallback', 'fallbacks: [{model: a, fallback: [b, c]}]'],
    ['as primary and repeated fallbacks', 'fallbacks: [{primary: a, fallback: b, fallback: c}]'],
    ['in parts', 'router_settings: {fallbacks: [{a: [b]}]}\nfallbacks: [{a: [b, c]}]'],
  ])('are read %s', (_, text) => {
    expect(fallbacks(text).any).toEqual({ a: ['b', 'c'] })
  })

  it('of models whose names are words of ours are LiteLLM’s when a list is behind them', () => {
    const named = `${models('primary', 'fallback', 'x')}router_settings: {fallbacks: [{primary: [x]}, {fallback: [x]}]}`
    expect(load(named).routing.fallbacks.any).toEqual({ primary: ['x'], fallback: ['x'] })
  })

  it('lead to models, not to patterns', () => {
    const pattern = `${models('a')}  - {model_name: "openai/*", litellm_params: {model: "openai/*", api_key: k}}\n`
    const [fault] = faultsOf(`${pattern}fallbacks: [{a: ["openai/*"]}]`)
    expect(fault).toMatch(/found "openai\/\*", a pattern; expected the name of one model/)
    expect(load(`${pattern}fallbacks: [{a: [openai/gpt-4o]}]`).routing.fallbacks.any).toEqual({ a: ['openai/gpt-4o'] })
  })

  it('are told apart by the failure that leads to them', () => {
    expect(
      fallbacks(`router_settings:
  fallbacks: [{a: [b]}]
  context_window_fallbacks: [{a: [c]}]
  content_policy_fallbacks: [{a: [d]}]
  default_fallbacks: [d, c]
  max_fallbacks: 2`),
    ).toEqual({ any: { a: ['b'] }, contextWindow: { a: ['c'] }, contentPolicy: { a: ['d'] }, otherwise: ['d', 'c'] })
  })

  it('for every other model come from default_fallbacks, fallback_models or a model named *', () => {
    expect(fallbacks('litellm_settings: {default_fallbacks: [b]}').otherwise).toEqual(['b'])
    expect(fallbacks('routing_strategy: simple-fallback\nfallback_models: [b]').otherwise).toEqual(['b'])
    expect(fallbacks('fallbacks: [{"*": [b]}, {a: c}]')).toMatchObject({ any: { a: ['c'] }, otherwise: ['b'] })
  })

  it('of a deployment come before those of the sections', () => {
    const own = `model_list:
  - {model_name: a, litellm_params: {model: ollama/x, fallbacks: [c]}}
  - {model_name: b, litellm_params: {model: ollama/x}}
  - {model_name: c, litellm_params: {model: ollama/x}}
fallbacks: [{a: [b, c]}]`
    expect(load(own).routing.fallbacks.any).toEqual({ a: ['c', 'b'] })
  })

  it.each<[string, string, RegExp]>([
    [
      'an unknown model',
      'fallbacks: [{a: [x]}]',
      /^f:6: fallbacks\[0\]\.a\[0\]: found "x"; expected one of a, b, c, d/,
    ],
    ['an unknown source', 'fallbacks: [{x: [a]}]', /^f:6: fallbacks\[0\]\.x: found "x"/],
    ['an unknown default', 'router_settings: {default_fallbacks: [x]}', /default_fallbacks\[0\]: found "x"/],
    ['a model in its own list', 'fallbacks: [{a: [b, a]}]', /"a" as its own fallback/],
    [
      'a circle',
      'fallbacks: [{a: [b]}, {b: [c]}, {c: [a]}]',
      /^f:6: fallbacks\[2\]\.c\[0\]: found a circle of fallbacks: a → b → c → a; expected/,
    ],
    [
      'a circle over two spellings',
      'router_settings: {fallbacks: [{a: [b]}]}\nfallbacks: [{model: b, fallback: a}]',
      /a circle of fallbacks: a → b → a/,
    ],
    [
      'a circle through an alias',
      'router_settings: {model_group_alias: {x: a}, fallbacks: [{a: [b]}, {b: [x]}]}',
      /a circle of fallbacks: a → b → a/,
    ],
    [
      'an alias of itself',
      'router_settings: {model_group_alias: {x: a}, fallbacks: [{a: [x]}]}',
      /"x" as its own fallback/,
    ],
    ['no fallback', 'fallbacks: [{model: a}]\n', /^f:6: fallbacks\[0\]: found no fallback/],
    ['a fallback of nothing', 'fallbacks: [{fallback: a}]', /fallbacks of no model/],
    ['an unknown key', 'fallbacks: [{model: a, fallback: b, when: x}]', /fallbacks\[0\]\.when: found an unknown key/],
  ])('are refused for %s', (_, text, fault) => {
    const faults = faultsOf(list + text)
    expect(faults.length).toBeGreaterThan(0)
    expect(faults[0]).toMatch(fault)
  })

  it('are refused where a chat would go to a model for embeddings', () => {
    const text = `model_list:
  - {model_name: chat, litellm_params: {model: ollama/x}, model_info: {mode: chat}}
  - {model_name: embed, litellm_params: {model: ollama/x}, model_info: {mode: embedding}}
  - {model_name: who-knows, litellm_params: {model: ollama/x}}
fallbacks: [{chat: [embed, who-knows]}, {who-knows: [embed]}]`
    expect(faultsOf(text)).toEqual([
      'f:5: fallbacks[0].chat[0]: found "embed", a model for embedding; expected a model for chat, as "chat" is',
    ])
  })

  it('lead nowhere twice, whatever the file says', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd')
    const lists = fc.dictionary(name, fc.uniqueArray(name, { maxLength: 3 }), { maxKeys: 4 })
    fc.assert(
      fc.property(lists, (given) => {
        const text = `${list}fallbacks: ${JSON.stringify([given])}`
        const leadsBack = (start: string): boolean => {
          const seen = new Set<string>()
          const visit = (model: string): boolean =>
            (given[model] ?? []).some((to) => to === start || (!seen.has(to) && Boolean(seen.add(to)) && visit(to)))
          return visit(start)
        }
        const hasCycle = Object.keys(given).some(leadsBack)
        expect(faultsOf(text).length > 0).toBe(hasCycle)
      }),
      { numRuns: 150 },
    )
  })
})
