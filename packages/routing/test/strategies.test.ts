import type { Strategy } from '@inferq/config'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouter } from '../src/index.ts'
import { configOf, type DeploymentSketch } from './support/config.ts'
import { isDistributed, live, now, seeded } from './support/requests.ts'

type Stats = Parameters<typeof live>[1]

/** Of so many decisions, how many begin with which deployment. */
function firsts(
  strategy: Strategy,
  sketches: readonly Omit<DeploymentSketch, 'model'>[],
  stats: Stats = {},
  routing: Parameters<typeof configOf>[1] = {},
): Readonly<Record<string, number>> {
  const deployments = sketches.map((sketch, index) => ({ model: 'm', id: 'abcdefgh'.charAt(index), ...sketch }))
  const router = createRouter(configOf(deployments, { strategy, ...routing }))
  const candidate = { model: 'm', class: 'openai', deployments: deployments.map(({ id }) => id) }
  const random = seeded(11)
  const counts: Record<string, number> = {}
  for (let round = 0; round < 4000; round += 1) {
    const [first] = router.order(candidate, undefined, live({}, stats), { random, now })
    if (first !== undefined) counts[first.id] = (counts[first.id] ?? 0) + 1
  }
  return counts
}

const priced = (pico: number) => ({
  price: { inputPicoUsd: pico, outputPicoUsd: pico, source: 'config' as const },
})

describe('simple-shuffle', () => {
  it('shares by weight', () => {
    const counts = firsts('simple-shuffle', [{ weight: 5 }, { weight: 3 }, { weight: 0 }, { weight: 2 }])
    expect(isDistributed(counts, { a: 5, b: 3, d: 2 })).toBe(true)
  })

  it('puts the second by weight, too, when the first is gone', () => {
    const config = configOf([
      { model: 'm', id: 'a', weight: 6 },
      { model: 'm', id: 'b', weight: 3 },
      { model: 'm', id: 'c', weight: 1 },
    ])
    const router = createRouter(config)
    const candidate = { model: 'm', class: 'openai', deployments: ['a', 'b', 'c'] }
    const random = seeded(2)
    const seconds: Record<string, number> = {}
    for (let round = 0; round < 6000; round += 1) {
      const [first, second] = router.order(candidate, undefined, live({}), { random, now })
      if (first?.id === 'a' && second !== undefined) seconds[second.id] = (seconds[second.id] ?? 0) + 1
    }
    expect(isDistributed(seconds, { b: 3, c: 1 })).toBe(true)
  })
})

describe('round-robin', () => {
  it('takes turns', () => {
    expect(firsts('round-robin', [{}, {}, {}, {}])).toEqual({ a: 1000, b: 1000, c: 1000, d: 1000 })
  })
})

describe('least-busy', () => {
  it('takes the one with the fewest calls in flight for its weight', () => {
    const stats = { a: { inFlight: 4 }, b: { inFlight: 6 }, c: { inFlight: 3 } }
    expect(firsts('least-busy', [{ weight: 1 }, { weight: 3 }, { weight: 1 }], stats)).toEqual({ b: 4000 })
  })

  it('draws among those alike by weight', () => {
    expect(isDistributed(firsts('least-busy', [{ weight: 3 }, { weight: 1 }]), { a: 3, b: 1 })).toBe(true)
  })
})

describe('latency-based', () => {
  it('draws among those within a tenth of the fastest, and tries unknown ones in a tenth of the cases', () => {
    const stats = { a: { latencyMs: 100 }, b: { latencyMs: 109 }, c: { latencyMs: 300 } }
    expect(isDistributed(firsts('latency-based', [{}, {}, {}], stats), { a: 47.5, b: 47.5, c: 5 })).toBe(true)
    const four = { a: 42.5, b: 42.5, c: 5, d: 10 }
    expect(isDistributed(firsts('latency-based', [{}, {}, {}, {}], stats), four)).toBe(true)
  })

  it('shares evenly while nothing is known', () => {
    expect(isDistributed(firsts('latency-based', [{}, {}]), { a: 1, b: 1 })).toBe(true)
  })
})

describe('usage-based', () => {
  it('takes the one with the smallest share of its limits used, requests or tokens', () => {
    const limits = { rpm: 100, tpm: 1000 }
    const stats = { a: { requests: 50 }, b: { requests: 1, tokens: 600 }, c: { requests: 40, tokens: 10 } }
    expect(firsts('usage-based', [{ limits }, { limits }, { limits }], stats)).toEqual({ c: 4000 })
  })

  it('without limits takes the one with the fewest tokens', () => {
    expect(firsts('usage-based', [{}, {}], { a: { tokens: 10 }, b: { tokens: 9 } })).toEqual({ b: 4000 })
  })
})

describe('cost-optimized', () => {
  it('takes the cheapest, and one of unknown price last', () => {
    expect(firsts('cost-optimized', [priced(200), {}, priced(100)])).toEqual({ c: 4000 })
    expect(isDistributed(firsts('cost-optimized', [priced(5), priced(5), {}]), { a: 1, b: 1 })).toBe(true)
  })
})

describe('hybrid', () => {
  const two = [priced(100), priced(1000)]
  const stats = { a: { latencyMs: 900, inFlight: 9 }, b: { latencyMs: 100, inFlight: 1 } }
  const weighing = (cost: number, latency: number, load: number) =>
    firsts('hybrid', two, stats, { hybridWeights: { cost, latency, load } })

  it('weighs price, latency and load', () => {
    expect(weighing(1, 0, 0)).toEqual({ a: 4000 })
    expect(weighing(0, 1, 0)).toEqual({ b: 4000 })
    expect(weighing(0, 0, 7)).toEqual({ b: 4000 })
    expect(weighing(5, 1, 1)).toEqual({ a: 4000 })
    expect(weighing(1, 1, 1)).toEqual({ b: 4000 })
  })

  it('draws by weight when nothing counts', () => {
    expect(isDistributed(weighing(0, 0, 0), { a: 1, b: 1 })).toBe(true)
  })

  it('weighs the same however large the weights are', () => {
    const weight = fc.integer({ min: 0, max: 100 })
    fc.assert(
      fc.property(weight, weight, weight, fc.integer({ min: 1, max: 1000 }), (cost, latency, load, times) => {
        const config = (factor: number) =>
          configOf(
            [
              { model: 'm', id: 'a', ...priced(100) },
              { model: 'm', id: 'b', ...priced(1000) },
            ],
            {
              strategy: 'hybrid',
              hybridWeights: { cost: cost * factor, latency: latency * factor, load: load * factor },
            },
          )
        const candidate = { model: 'm', class: 'openai', deployments: ['a', 'b'] }
        const first = (factor: number) =>
          createRouter(config(factor)).order(candidate, undefined, live({}, stats), { random: () => 0.3, now })[0]?.id
        // Rounding may break a tie between scores that differ in the last digit only.
        const gap = Math.abs(cost * 0.9 - latency * (1 - 1 / 9) - load * (1 - 1 / 9))
        if (gap > 1e-6) expect(first(times)).toBe(first(1))
      }),
    )
  })
})
