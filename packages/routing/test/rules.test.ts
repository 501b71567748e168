import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouter, quietDeployments, type RouteRequest } from '../src/index.ts'
import { configOf, type RuleSketch } from './support/config.ts'
import { chat, errorIn, isDistributed, modelsIn, seeded } from './support/requests.ts'

const models = [{ model: 'gpt-4' }, { model: 'small' }, { model: 'embed', mode: 'embedding' }] as const
const to = (model: string) => ({ kind: 'model', model }) as const

function route(rules: readonly RuleSketch[], request: RouteRequest) {
  return createRouter(configOf(models, { rules })).route(request, quietDeployments)
}

describe('rules', () => {
  const premium: RuleSketch = { when: { condition: "user_tier == 'premium'" }, to: to('gpt-4') }

  it('replace the model that was asked for; the first that matches decides', () => {
    const rules = [premium, { to: to('small') }]
    const decision = route(rules, chat('gpt-4', { caller: { metadata: { user_tier: 'premium' } } }))
    expect(modelsIn(decision)).toEqual(['gpt-4'])
    expect(decision).toMatchObject({ note: { rule: 'routing[0]', strategy: 'simple-shuffle' } })
    expect(modelsIn(route(rules, chat('gpt-4')))).toEqual(['small'])
  })

  it('serve names that are no model', () => {
    const rules = [{ when: { condition: "model == 'auto'" }, to: to('small') }]
    expect(modelsIn(route(rules, chat('auto')))).toEqual(['small'])
    expect(errorIn(route(rules, chat('other')))).toMatchObject({ code: 'model_not_found', param: 'model' })
  })

  it('take identity over metadata over headers', () => {
    const header = { 'x-inferq-user-tier': 'premium' }
    const said = (changes: Partial<RouteRequest>) => modelsIn(route([premium], chat('small', changes)))
    expect(said({ headers: header })).toEqual(['gpt-4'])
    expect(said({ headers: header, metadata: { user_tier: 'basic' } })).toEqual(['small'])
    expect(said({ metadata: { user_tier: 'premium' } })).toEqual(['gpt-4'])
    expect(said({ metadata: { user_tier: 'premium' }, caller: { metadata: { user_tier: 'basic' } } })).toEqual([
      'small',
    ])
  })

  it('know tasks, features and tags without CEL, and all parts have to hold', () => {
    const rules: RuleSketch[] = [
      { when: { task: 'summarization', feature: 'news', tags: ['a', 'b'] }, to: to('gpt-4') },
    ]
    const facts = { task_type: 'summarization', feature: 'news', tags: 'x, b' }
    expect(modelsIn(route(rules, chat('small', { metadata: facts })))).toEqual(['gpt-4'])
    for (const missing of Object.keys(facts)) {
      const others = Object.fromEntries(Object.entries(facts).filter(([name]) => name !== missing))
      expect(modelsIn(route(rules, chat('small', { metadata: others })))).toEqual(['small'])
    }
  })

  it.each<[string, Partial<RouteRequest>]>([
    ["'k' in tags", { caller: { metadata: { tags: ['k'] } } }],
    ["'m' in tags", { metadata: { tags: ['m'] } }],
    ["'b' in tags", { body: { tags: ['b'] } }],
    ["'h' in tags", { headers: { 'x-inferq-tags': 'g, h' } }],
    ["metadata.doc == '42'", { metadata: { doc: '42' } }],
    ["user == 'ann'", { body: { user: 'ann' } }],
    [
      "user == 'ann' && team == 't' && key == 'k'",
      { caller: { user: 'ann', team: 't', key: 'k', metadata: {} }, body: { user: 'eve' } },
    ],
    ['tokens > 30000', { body: { messages: [{ role: 'user', content: 'many words '.repeat(20_000) }] } }],
    ["operation == 'chat' && stream", { body: { stream: true } }],
    ["operation == 'summary'", { operation: 'summary', body: { text: 'x' } }],
    ["feature == 'x'", { headers: { 'x-inferq-feature': ['x', 'y'] } }],
  ])('ask for %s', (condition, changes) => {
    const rules = [{ when: { condition }, to: to('gpt-4') }]
    expect(modelsIn(route(rules, chat('small', changes)))).toEqual(['gpt-4'])
    expect(modelsIn(route(rules, chat('small')))).toEqual(['small'])
  })

  it('are passed over when their model cannot serve the request', () => {
    const rules = [{ to: to('embed') }, { to: { kind: 'asked' }, strategy: 'least-busy' }] satisfies RuleSketch[]
    const router = createRouter(configOf(models, { rules }))
    const { decision, trace } = router.explain(chat('small'), quietDeployments)
    expect(decision).toMatchObject({ note: { rule: 'routing[1]', strategy: 'least-busy' } })
    expect(trace.rules).toEqual([
      { rule: 'routing[0]', place: 'f:1', outcome: 'skipped', reason: 'embed cannot serve completions' },
      { rule: 'routing[1]', place: 'f:2', outcome: 'matched', reason: 'the model that was asked for' },
    ])
    const embedding = chat('embed', { operation: 'embeddings', body: { input: 'x' } })
    expect(modelsIn(router.route(embedding, quietDeployments))).toEqual(['embed'])
  })

  it('of a heuristic choose by how the request looks, and simple serves what is not named', () => {
    const rules: RuleSketch[] = [{ to: { kind: 'heuristic', models: { simple: 'small', code: 'gpt-4' } } }]
    const asking = (content: string) =>
      modelsIn(route(rules, chat('x', { body: { messages: [{ role: 'user', content }] } })))
    expect(asking('Fix this:\n```\nx\n```')).toEqual(['gpt-4'])
    expect(asking('Hello')).toEqual(['small'])
    expect(asking('Prove it step by step')).toEqual(['small'])
  })
})

describe('a split', () => {
  const shares = [
    { model: 'gpt-4', weight: 70 },
    { model: 'small', weight: 30 },
  ]
  const split = (stickyBy: 'user' | 'none' | 'session', weights = shares): RuleSketch => ({
    id: 'ab',
    to: { kind: 'split', shares: weights, stickyBy },
  })
  const variantOf = (rule: RuleSketch, changes: Partial<RouteRequest>): string => {
    const decision = route([rule], chat('x', changes))
    return decision.kind === 'candidates' ? (decision.note.variant ?? '') : ''
  }
  const count = (names: readonly string[]) => {
    const counts: Record<string, number> = {}
    for (const name of names) counts[name] = (counts[name] ?? 0) + 1
    return counts
  }

  it('gives a user the same variant always, on every replica', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (user, chance) => {
        const changes = { caller: { user, metadata: {} } }
        const first = variantOf(split('user'), changes)
        expect(variantOf(split('user'), { ...changes, random: () => chance })).toBe(first)
      }),
    )
  })

  it('shares users by weight', () => {
    const variants = Array.from({ length: 2000 }, (_, index) =>
      variantOf(split('user'), { caller: { user: `user-${index}`, metadata: {} } }),
    )
    expect(isDistributed(count(variants), { 'gpt-4': 70, small: 30 })).toBe(true)
  })

  it('shares the users of one variant evenly over another split', () => {
    const others: Record<string, number> = {}
    for (let index = 0; index < 4000; index += 1) {
      const changes = { caller: { user: `user-${index}`, metadata: {} } }
      if (variantOf(split('user'), changes) !== 'gpt-4') continue
      const other = variantOf({ ...split('user'), id: 'another' }, changes)
      others[other] = (others[other] ?? 0) + 1
    }
    expect(isDistributed(others, { 'gpt-4': 70, small: 30 })).toBe(true)
  })

  it('draws anew for each request without a subject, by weight', () => {
    const random = seeded(7)
    const variants = Array.from({ length: 2000 }, () => variantOf(split('user'), { random }))
    expect(isDistributed(count(variants), { 'gpt-4': 70, small: 30 })).toBe(true)
  })

  it('moves nobody away from a share that has grown', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 70, max: 1000 }), (session, weight) => {
        const changes = { headers: { 'x-inferq-session': session } }
        const before = variantOf(split('session'), changes)
        const grown = [{ model: 'gpt-4', weight }, shares[1] ?? { model: 'small', weight: 30 }]
        const after = variantOf(split('session', grown), changes)
        if (before === 'gpt-4') expect(after).toBe('gpt-4')
      }),
    )
  })

  it('never chooses a share of nothing', () => {
    const rule = split('user', [
      { model: 'gpt-4', weight: 0 },
      { model: 'small', weight: 1 },
    ])
    for (let user = 0; user < 200; user += 1) {
      expect(variantOf(rule, { caller: { user: `${user}`, metadata: {} } })).toBe('small')
    }
  })
})
