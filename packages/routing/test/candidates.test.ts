import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouter, quietDeployments, type RouteRequest } from '../src/index.ts'
import { configOf, type DeploymentSketch } from './support/config.ts'
import { candidatesIn, chat, errorIn, live, modelsIn, now, open, seeded } from './support/requests.ts'

const words = (count: number): RouteRequest['body'] => ({
  messages: [{ role: 'user', content: 'word '.repeat(count) }],
})
const price = { inputPicoUsd: 1_000_000, outputPicoUsd: 2_000_000, source: 'config' } as const

function ids(
  deployments: readonly DeploymentSketch[],
  request: RouteRequest,
  routing: Parameters<typeof configOf>[1] = {},
) {
  return candidatesIn(createRouter(configOf(deployments, routing)).route(request, quietDeployments)).map(
    (candidate) => candidate.deployments,
  )
}

describe('the candidates of a model', () => {
  const group: readonly DeploymentSketch[] = [
    { model: 'm', id: 'a', class: 'local' },
    { model: 'm', id: 'b', class: 'cloud', order: 1 },
    { model: 'm', id: 'c', class: 'local', order: 2 },
    { model: 'm', id: 'd', class: 'cloud', order: 1 },
  ]

  it('are one for each class and order, lowest order first, without one last', () => {
    expect(ids(group, chat('m'))).toEqual([['b', 'd'], ['c'], ['a']])
  })

  it('come in the order of the strategy where there are several classes', () => {
    const router = createRouter(
      configOf(
        [
          { model: 'm', id: 'a', class: 'x', weight: 3 },
          { model: 'm', id: 'b', class: 'y', weight: 1 },
        ],
        {},
      ),
    )
    const random = seeded(3)
    let first = 0
    for (let round = 0; round < 2000; round += 1) {
      const [candidate] = candidatesIn(router.route(chat('m', { random }), quietDeployments))
      if (candidate?.class === 'x') first += 1
    }
    expect(first / 2000).toBeGreaterThan(0.71)
    expect(first / 2000).toBeLessThan(0.79)
  })

  it('leave out deployments whose window is surely too small, and keep those that may do', () => {
    const windows: readonly DeploymentSketch[] = [
      { model: 'm', id: 'small', contextWindow: 1000 },
      { model: 'm', id: 'unknown' },
      { model: 'm', id: 'large', contextWindow: 100_000 },
    ]
    expect(ids(windows, chat('m', { body: words(500) }))).toEqual([['small', 'unknown', 'large']])
    expect(ids(windows, chat('m', { body: words(5000) }))).toEqual([['unknown', 'large']])
    expect(ids(windows, chat('m', { body: { ...words(500), max_tokens: 600 } }))).toEqual([['unknown', 'large']])
    expect(ids(windows, chat('m', { operation: 'summary', body: { text: 'word '.repeat(5000) } }))).toEqual([
      ['small', 'unknown', 'large'],
    ])
  })

  it('take each input of an embeddings request for itself', () => {
    const windows: readonly DeploymentSketch[] = [{ model: 'm', id: 'small', contextWindow: 1000 }]
    const embedding = (input: unknown) => chat('m', { operation: 'embeddings', body: { input } })
    expect(ids(windows, embedding(Array.from({ length: 50 }, () => 'word '.repeat(500))))).toEqual([['small']])
    const router = createRouter(configOf(windows))
    expect(errorIn(router.route(embedding(['word '.repeat(5000)]), quietDeployments))).toMatchObject({
      code: 'context_length_exceeded',
      param: 'input',
    })
  })

  it('leave out what would cost more than the header or the rule allows, and what costs nobody knows what', () => {
    const prices: readonly DeploymentSketch[] = [
      { model: 'm', id: 'unknown' },
      { model: 'm', id: 'cheap', price },
      { model: 'm', id: 'dear', price: { ...price, outputPicoUsd: 200_000_000 } },
    ]
    // Some 100 tokens of prompt and 100 of answer: 0.0003 USD and 0.0201 USD.
    const body = { ...words(100), max_tokens: 100 }
    const cheapest = { headers: { 'x-inferq-max-cost': '0.001' }, body }
    expect(ids(prices, chat('m', cheapest))).toEqual([['cheap']])
    expect(ids(prices, chat('m', { body }))).toEqual([['unknown', 'cheap', 'dear']])
    const rules = [{ to: { kind: 'asked' }, maxCostUsd: 0.1 }] as const
    expect(ids(prices, chat('m', { body }), { rules })).toEqual([['cheap', 'dear']])
    expect(ids(prices, chat('m', cheapest), { rules })).toEqual([['cheap']])

    const router = createRouter(configOf(prices))
    const limited = (amount: string) =>
      errorIn(router.route(chat('m', { body, headers: { 'x-inferq-max-cost': amount } }), quietDeployments))
    expect(limited('0.0000001')).toMatchObject({ code: 'cost_limit_exceeded' })
    for (const wrong of ['', 'much', '-1', '1e3', 'NaN'])
      expect(limited(wrong)).toMatchObject({ code: 'invalid_value' })
  })

  it('are chosen by tag where tags are to count', () => {
    const tagged: readonly DeploymentSketch[] = [
      { model: 'm', id: 'free', tags: ['free'] },
      { model: 'm', id: 'paid', tags: ['paid', 'eu'] },
      { model: 'm', id: 'default', tags: ['default'] },
      { model: 'm', id: 'untagged' },
    ]
    const routing = { tagFiltering: true }
    const saying = (tags: string[]) => chat('m', { caller: { metadata: { tags } } })
    expect(ids(tagged, saying(['eu', 'x']), routing)).toEqual([['paid']])
    expect(ids(tagged, saying(['eu', 'free']), routing)).toEqual([['free', 'paid']])
    expect(ids(tagged, saying(['x']), routing)).toEqual([['default']])
    expect(ids(tagged, chat('m'), routing)).toEqual([['default']])
    expect(ids(tagged.slice(0, 2), chat('m'), routing)).toEqual([['free', 'paid']])
    expect(ids(tagged, saying(['x']))).toEqual([['free', 'paid', 'default', 'untagged']])
    const router = createRouter(configOf(tagged.slice(0, 2), routing))
    expect(errorIn(router.route(saying(['x']), quietDeployments))).toMatchObject({ code: 'no_deployment' })
  })
})

describe('open circuits', () => {
  const two: readonly DeploymentSketch[] = [
    { model: 'm', id: 'a', class: 'x', order: 1 },
    { model: 'm', id: 'b', class: 'y', order: 2 },
    { model: 'n', id: 'c', class: 'z' },
  ]
  const router = createRouter(configOf(two, { fallbacks: { any: { m: ['n'] } } }))
  const classes = (circuits: Parameters<typeof live>[0], stats: Parameters<typeof live>[1] = {}) =>
    candidatesIn(router.route(chat('m'), live(circuits, stats))).map((candidate) => candidate.class)

  it('put their candidates last, and keep the order otherwise', () => {
    expect(classes({})).toEqual(['x', 'y', 'z'])
    expect(classes({ a: open() })).toEqual(['y', 'z', 'x'])
    expect(classes({ a: open(), b: open() })).toEqual(['z', 'x', 'y'])
    expect(classes({ a: open(), b: open(), c: open() })).toEqual(['x', 'y', 'z'])
  })

  it('do not count when half open, or when the cooldown is over', () => {
    expect(classes({ a: { state: 'half_open', reason: 'upstream_error' } })).toEqual(['x', 'y', 'z'])
    expect(classes({ a: open(0) })).toEqual(['x', 'y', 'z'])
  })

  it('refuse only when all of them are open, with the time until the first is tried again', () => {
    const circuits = { a: open(20), b: open(60, 11), c: open(40) }
    const refuseOpen = { refuseOpen: true }
    expect(errorIn(router.route(chat('m'), live(circuits), refuseOpen))).toMatchObject({
      code: 'circuit_open',
      retryAfterSeconds: 11,
    })
    // A probe that is near is waited for in the queue.
    expect(router.route(chat('m'), live({ ...circuits, c: open(40, 10) }), refuseOpen).kind).toBe('candidates')
    expect(router.route(chat('m'), live(circuits)).kind).toBe('candidates')
    expect(router.route(chat('m'), live({ a: open(), b: open() }), refuseOpen).kind).toBe('candidates')
  })

  it.each([
    ['rpm', { rpm: 5 }, { requests: 5 }],
    ['tpm', { tpm: 100 }, { tokens: 120 }],
    ['max_parallel', { maxParallel: 2 }, { inFlight: 2 }],
  ])('and a reached %s put a candidate last, and a limit never refuses', (_, limits, stats) => {
    const limited = createRouter(
      configOf([
        { model: 'm', id: 'a', class: 'x', order: 1, limits },
        { model: 'm', id: 'b', class: 'y', order: 2 },
      ]),
    )
    const decide = (circuits: Parameters<typeof live>[0]) =>
      candidatesIn(limited.route(chat('m'), live(circuits, { a: stats }), { refuseOpen: true })).map(
        (candidate) => candidate.class,
      )
    expect(decide({})).toEqual(['y', 'x'])
    expect(decide({ b: open() })).toEqual(['x', 'y'])
  })
})

describe('the order of a candidate', () => {
  const config = configOf([
    { model: 'm', id: 'a' },
    { model: 'm', id: 'b' },
    { model: 'm', id: 'zero', weight: 0 },
    { model: 'm', id: 'c', limits: { rpm: 1 } },
  ])
  const router = createRouter(config)
  const candidate = { model: 'm', class: 'openai', deployments: ['gone', 'a', 'b', 'zero', 'c'] }
  const chance = { random: () => 0.4, now }

  it('leaves out open circuits and reached limits, keeps half-open ones, and puts failed ones last', () => {
    const order = (circuits: Parameters<typeof live>[0], avoid: readonly string[] = []) =>
      router.order(candidate, 'round-robin', live(circuits, { c: { requests: 1 } }), chance, avoid).map(({ id }) => id)
    expect(order({})).toEqual(['a', 'b', 'zero'])
    expect(order({ a: { state: 'half_open', reason: 'x' }, zero: open() }, ['b']).toSorted()).toEqual(['a', 'b'])
    expect(order({}, ['a', 'b'])[0]).toBe('zero')
    expect(order({ a: open(), b: open(), zero: open() })).toEqual([])
  })

  it('loses and adds none, whatever the strategy', () => {
    const strategies = ['simple-shuffle', 'round-robin', 'least-busy', 'latency-based', 'usage-based', 'hybrid', 'odd']
    fc.assert(
      fc.property(fc.constantFrom(...strategies), fc.double({ min: 0, max: 0.999, noNaN: true }), (strategy, value) => {
        const order = router.order(candidate, strategy, quietDeployments, { random: () => value, now })
        expect(order.map(({ id }) => id).toSorted()).toEqual(['a', 'b', 'c', 'zero'])
        expect(order.at(-1)?.id).toBe('zero')
      }),
    )
  })

  it('finds the deployments a configuration still has', () => {
    expect(router.deploymentsOf(candidate).map(({ id }) => id)).toEqual(['a', 'b', 'zero', 'c'])
    expect(router.deployment('gone')).toBeUndefined()
  })
})

it('a decision never changes the request and is the same for the same chance', () => {
  const config = configOf(
    [
      { model: 'm', class: 'x' },
      { model: 'm', class: 'y' },
    ],
    { rules: [{ to: { kind: 'asked' } }] },
  )
  const body = Object.freeze({ messages: Object.freeze([Object.freeze({ role: 'user', content: 'Hi' })]) })
  const decisions = [1, 2].map(() =>
    modelsIn(createRouter(config).route(chat('m', { body, random: seeded(5) }), quietDeployments)),
  )
  expect(decisions[0]).toEqual(decisions[1])
})
