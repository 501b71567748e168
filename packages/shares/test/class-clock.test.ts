import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ClassClock, createClassClock, type Demand } from '../src/class-clock.ts'

const demand = (tenant: string, more: Partial<Demand> = {}): Demand => ({
  ...{ tenant, tier: 'default', weight: 1, tokens: 100 },
  ...more,
})

/** One server of a class that serves the smallest place first, and whoever waits in it. */
function createLine(clock: ClassClock = createClassClock()) {
  let arrivals = 0
  let waiting: { readonly at: number; readonly arrival: number; readonly demand: Demand }[] = []
  return {
    add(one: Demand, count = 1) {
      for (let i = 0; i < count; i++) waiting.push({ at: clock.place(one), arrival: ++arrivals, demand: one })
    },
    /** Starts the next; undefined when nobody waits. */
    serve(): Demand | undefined {
      const [next] = waiting.toSorted((a, b) => a.at - b.at || a.arrival - b.arrival)
      if (next === undefined) return undefined
      waiting = waiting.filter((one) => one !== next)
      clock.started(next.demand.tier, next.at)
      return next.demand
    },
    get waiting() {
      return waiting.length
    },
  }
}

describe('a tenant', () => {
  it('with its first job waits for no more than what runs, whatever others have queued', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 100 }), (queued, served) => {
        const line = createLine()
        line.add(demand('many'), queued)
        for (let i = 0; i < Math.min(served, queued - 1); i++) line.serve()
        line.add(demand('one'))
        const first = line.serve()
        expect([first?.tenant, line.serve()?.tenant]).toContain('one')
      }),
    )
  })

  it('has a share of the tokens by its weight, however large its jobs are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ weight: fc.integer({ min: 1, max: 8 }), tokens: fc.integer({ min: 10, max: 2_000 }) }), {
          minLength: 2,
          maxLength: 6,
        }),
        (tenants) => {
          const line = createLine()
          const demands = tenants.map((tenant, index) => demand(`t${index}`, tenant))
          for (const one of demands) line.add(one, 400)
          const served = demands.map(() => 0)
          let total = 0
          const weights = demands.reduce((sum, { weight }) => sum + weight, 0)
          // As long as everybody still has work waiting.
          while (total < (10 * 400) / Math.max(...demands.map(({ weight }) => weight / weights))) {
            const next = line.serve()
            if (next === undefined) throw new Error('nobody waits')
            const place = demands.indexOf(next)
            served[place] = (served[place] ?? 0) + next.tokens
            total += next.tokens
          }
          // Off by no more than a job of each.
          const slack = Math.max(...demands.map(({ tokens, weight }) => tokens / weight))
          const normal = served.map((tokens, place) => tokens / (demands[place]?.weight ?? 1))
          expect(Math.max(...normal) - Math.min(...normal)).toBeLessThanOrEqual(2 * slack)
        },
      ),
    )
  })

  it('that was away has neither credit nor debt', () => {
    const line = createLine()
    line.add(demand('away'), 50)
    line.add(demand('busy'), 50)
    while (line.waiting > 0) line.serve()
    line.add(demand('busy'), 100)
    for (let i = 0; i < 50; i++) line.serve()
    line.add(demand('away'), 50)
    const next = Array.from({ length: 20 }, () => line.serve()?.tenant)
    const away = next.filter((tenant) => tenant === 'away').length
    expect(away).toBeGreaterThanOrEqual(9)
    expect(away).toBeLessThanOrEqual(11)
  })

  it('whose jobs take more than was thought stands back for it', () => {
    const clock = createClassClock()
    const line = createLine(clock)
    line.add(demand('other'), 30)
    line.add(demand('long'), 5)
    clock.correct(demand('long'), 600)
    line.add(demand('long'), 5)
    const order = Array.from({ length: 30 }, () => line.serve()?.tenant)
    expect(order.filter((tenant) => tenant === 'long')).toHaveLength(10)
    // Between its fifth and its sixth job it waits for the five more that its first one took.
    const places = order.flatMap((tenant, place) => (tenant === 'long' ? [place] : []))
    expect((places[5] ?? 0) - (places[4] ?? 0)).toBeGreaterThanOrEqual(6)
  })
})

describe('a tier', () => {
  it('goes before the lower ones, which are not starved by it', () => {
    const line = createLine()
    line.add(demand('batch', { tier: 'flex' }), 400)
    line.add(demand('user'), 400)
    line.add(demand('vip', { tier: 'priority' }), 4_000)
    const order = Array.from({ length: 4_000 }, () => line.serve()?.tenant)
    expect(order.slice(0, 40).every((tenant) => tenant === 'vip')).toBe(true)
    const served = (tenant: string) => order.slice(1_000, 2_000).filter((one) => one === tenant).length
    expect(served('user')).toBeGreaterThan(150)
    expect(served('batch')).toBeGreaterThan(40)
    expect(served('vip')).toBeGreaterThan(700)
  })

  it('that comes while a lower one waits is served next', () => {
    const line = createLine()
    line.add(demand('batch', { tier: 'flex' }), 100)
    for (let i = 0; i < 10; i++) line.serve()
    line.add(demand('user'), 3)
    expect([line.serve(), line.serve(), line.serve()].map((one) => one?.tenant)).toEqual(['user', 'user', 'user'])
  })
})

/** How far a job of tier default stands behind its tag. */
const lag = 4_000

describe('what a process tells', () => {
  it('is told once, though Redis did not take it at first, and what came meanwhile too', () => {
    const clock = createClassClock()
    clock.started('priority', 50)
    clock.place(demand('a'))
    expect(clock.take()).toEqual({ clock: 50, flows: new Map([['default:a', { floor: 50, charge: 400 }]]) })
    clock.place(demand('a'))
    clock.kept()
    expect(clock.take()).toEqual({ clock: 50, flows: new Map([['default:a', { floor: 50, charge: 800 }]]) })
    clock.sent({ clock: 50, ends: new Map([['default:a', 850]]) })
    expect(clock.take()).toBeNull()
    expect(clock.place(demand('a'))).toBe(850 + lag)
  })

  it('gives way to what all know, without losing what came meanwhile', () => {
    const clock = createClassClock()
    clock.place(demand('a'))
    clock.take()
    clock.place(demand('a'))
    // Another process has charged 1,000 to the same tenant.
    clock.sent({ clock: 0, ends: new Map([['default:a', 1_400]]) })
    expect(clock.place(demand('a'))).toBe(1_800 + lag)
  })
})
