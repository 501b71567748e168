import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouter } from '../src/index.ts'
import { configOf } from './support/config.ts'
import { chat, live, now, open, seeded } from './support/requests.ts'

const price = { inputPicoUsd: 1_000_000, outputPicoUsd: 2_000_000, source: 'config' } as const
const config = configOf(
  [
    { model: 'm', id: 'a', class: 'x', price, contextWindow: 100 },
    { model: 'm', id: 'b', class: 'y', price },
    { model: 'm', id: 'c', class: 'y' },
    { model: 'm', id: 'embed', mode: 'embedding' },
    { model: 'n', id: 'd', class: 'z' },
    { model: 'l', id: 'e', class: 'z' },
  ],
  {
    rules: [
      { when: { condition: "user_tier == 'premium'" }, to: { kind: 'model', model: 'n' } },
      { to: { kind: 'asked' }, strategy: 'cost-optimized' },
      { to: { kind: 'model', model: 'n' } },
    ],
    fallbacks: { any: { m: ['n'] }, contextWindow: { m: ['l'] } },
  },
)
const body = { messages: [{ role: 'user', content: 'word '.repeat(150) }], max_tokens: 50 }

describe('explaining a route', () => {
  const { decision, trace } = createRouter(config).explain(chat('m', { body }), live({ c: open(60), d: open(60) }))

  it('tells the rules that matched, were skipped and were not reached', () => {
    expect(trace.rules.map(({ rule, place, outcome }) => [rule, place, outcome])).toEqual([
      ['routing[0]', 'f:1', 'skipped'],
      ['routing[1]', 'f:2', 'matched'],
      ['routing[2]', 'f:3', 'not_reached'],
    ])
    expect(trace.rules[0]?.reason).toBe("user_tier == 'premium' does not hold")
  })

  it('tells of every deployment why it is chosen or left out, its circuit and its price', () => {
    const rows = trace.deployments.map(({ deployment, outcome, estimatedCostUsd }) => [
      deployment,
      outcome,
      estimatedCostUsd,
    ])
    // 154 tokens of prompt and 50 of answer.
    expect(rows).toEqual([
      ['a', 'left_out', 0.000254],
      ['b', 'chosen', 0.000254],
      ['c', 'left_out', null],
      ['embed', 'left_out', null],
      ['e', 'eligible', null],
      ['d', 'left_out', null],
    ])
    expect(trace.deployments[0]?.reason).toContain('do not fit into its window of 100')
    expect(trace.deployments[2]).toMatchObject({ circuit: { state: 'open', until: now + 60_000 } })
  })

  it('tells where failures lead, and what the request will cost', () => {
    expect(decision).toMatchObject({
      candidates: [{ model: 'm', class: 'y' }, { after: 'context_window' }, { model: 'n' }],
    })
    expect(trace.fallbacks).toEqual([
      { model: 'l', class: 'z', after: 'context_window' },
      { model: 'n', class: 'z', after: 'any failure' },
    ])
    expect(trace.estimate).toEqual({ promptTokens: 154, completionTokens: 50, costUsd: 0.000254 })
    expect(trace.facts).toMatchObject({ model: 'm', tokens: 154, user_tier: '', operation: 'chat' })
  })

  it('also explains a refusal', () => {
    const refusal = createRouter(configOf([{ model: 'm' }])).explain(chat('nobody'), live({}))
    expect(refusal.decision).toMatchObject({ kind: 'refused', error: { code: 'model_not_found' } })
    expect(refusal.trace.deployments).toEqual([])
  })

  it('takes nobody the turn', () => {
    const deployments = ['x', 'y', 'z'].map((name) => ({ model: 'm', class: name }))
    const router = createRouter(configOf(deployments, { strategy: 'round-robin' }))
    const first = (how: 'route' | 'explain') => {
      const result = how === 'route' ? router.route(chat('m'), live({})) : router.explain(chat('m'), live({})).decision
      return result.kind === 'candidates' ? result.candidates[0]?.class : undefined
    }
    expect([first('explain'), first('explain'), first('route'), first('explain'), first('route')]).toEqual([
      ...['x', 'x', 'x', 'y', 'y'],
    ])
  })

  it('is the very decision that the request gets', () => {
    const ids = config.deployments.map(({ id }) => id)
    fc.assert(
      fc.property(
        fc.subarray(ids),
        fc.constantFrom('m', 'n', 'l', 'x'),
        fc.nat(3000),
        fc.constantFrom('premium', ''),
        fc.nat(),
        (failing, model, length, tier, seed) => {
          const state = live(Object.fromEntries(failing.map((id) => [id, open()])))
          const request = () =>
            chat(model, {
              body: { messages: [{ role: 'user', content: 'x '.repeat(length) }] },
              metadata: { user_tier: tier },
              random: seeded(seed),
            })
          const router = createRouter(config)
          expect(router.explain(request(), state).decision).toEqual(router.route(request(), state))
        },
      ),
    )
  })
})
