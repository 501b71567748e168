import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fairness, figuresOf, jainIndex } from '../fleet/figures.ts'
import type { Fleet, FleetJob, ModelClass } from '../fleet/fleet.ts'
import { Heap } from '../fleet/heap.ts'
import { policies } from '../fleet/policies.ts'
import { oneAgainstMany, oneTwoFour, sharesOut, tenToOne, usualFleet, usualShapes } from '../fleet/scenarios.ts'
import { simulate } from '../fleet/simulate.ts'
import { secondsUntilSwap } from '../fleet/sticky.ts'
import { readTrace } from '../fleet/trace-file.ts'
import { exponential, generateTrace } from '../fleet/workload.ts'
import { createRandom } from '../measure/statistics.ts'
import { parseCommand } from '../options.ts'

const unit: ModelClass = {
  ...{ name: 'unit', tokensPerSecond: 1, slots: 1, batchSlowdown: 0 },
  ...{ promptShare: 0, loadSeconds: 10 },
}
const alone: Fleet = { classes: [unit], pools: [{ gpus: 1, classes: ['unit'] }] }

const job = (more: Partial<FleetJob> = {}): FleetJob => ({
  ...{ at: 0, tenant: 'a', weight: 1, tier: 'default', modelClass: 'unit', promptTokens: 0, answerTokens: 1 },
  ...more,
})

const [fifo, strictPriority, fair, sticky] = policies
if (!fifo || !strictPriority || !fair || !sticky) throw new Error('a policy is missing')

const small = (seed: number, load = 1.2) =>
  generateTrace({ fleet: usualFleet(10), shapes: usualShapes, tenants: 8, load, jobs: 2_000, seed })

describe('the simulation', () => {
  it('gives the waits that queueing theory has for one server', () => {
    const random = createRandom(11)
    const load = 0.6
    let at = 0
    const jobs = Array.from({ length: 300_000 }, () => {
      at += exponential(1 / load, random)
      return job({ at, answerTokens: exponential(1, random) })
    })
    const { startedAt, busyShare } = simulate(alone, jobs, fifo)
    const mean = jobs.reduce((sum, { at }, index) => sum + ((startedAt[index] ?? Number.NaN) - at), 0) / jobs.length
    // Erlang: ρ ÷ (μ − λ).
    const theory = load / (1 - load)
    expect(Math.abs(mean / theory - 1)).toBeLessThan(0.05)
    expect(Math.abs(busyShare / load - 1)).toBeLessThan(0.02)
  })

  it('shares a GPU as its batch curve says', () => {
    const paired = { ...unit, slots: 2, batchSlowdown: 0.5 }
    const jobs = [job({ answerTokens: 3 }), job({ at: 1, answerTokens: 3 })]
    const run = simulate({ ...alone, classes: [paired] }, jobs, fifo)
    // Two tokens of each while both run, at 1 ÷ 1.5 tokens a second, and the last one alone.
    expect([...run.endedAt]).toEqual([4, 5])
  })

  it.each(policies)('serves every job once, after it came, with $name', (policy) => {
    const jobs = small(3)
    const { startedAt, endedAt } = simulate(usualFleet(10), jobs, policy)
    for (const [index, { at }] of jobs.entries()) {
      expect(startedAt[index]).toBeGreaterThanOrEqual(at)
      expect(endedAt[index]).toBeGreaterThan(startedAt[index] ?? Number.NaN)
    }
    expect(figuresOf(jobs, { startedAt, endedAt, swaps: 0, busyShare: 1, loadingShare: 0 }).inTime).toBeLessThan(1)
  })

  it.each(policies)('leaves no room unused for which there is work with $name', (policy) => {
    let looked = 0
    const jobs = small(4)
    simulate(usualFleet(10), jobs, policy, ({ gpus, waiting }) => {
      for (const gpu of gpus) {
        // With several models the first of all may be of another one: then it waits for that.
        if (gpu.serves.length > 1 && !policy.isSticky) continue
        if (!gpu.hasRoom || waiting(gpu.loaded.name) === 0) continue
        throw new Error(`${waiting(gpu.loaded.name)} jobs of ${gpu.loaded.name} wait`)
      }
      looked += 1
    })
    expect(looked).toBeGreaterThan(2 * jobs.length)
  })

  it('is the same again from the same seed, and another from another', () => {
    const fleet = usualFleet(10)
    for (const policy of policies) {
      expect(simulate(fleet, small(5), policy)).toEqual(simulate(fleet, small(5), policy))
    }
    expect(small(5)).not.toEqual(small(6))
  })

  it('refuses jobs that no GPU serves', () => {
    expect(() => simulate(alone, [job({ modelClass: 'other' })], fifo)).toThrow('no GPU serves "other"; there are unit')
  })
})

describe('a policy', () => {
  it('decides who goes first: who came first, the higher tier, or who has had less', () => {
    const jobs = [
      job({ tenant: 'many' }),
      ...Array.from({ length: 20 }, () => job({ tenant: 'many', answerTokens: 100 })),
      job({ at: 0.5, tenant: 'other', answerTokens: 100 }),
      job({ at: 0.5, tenant: 'other', tier: 'priority', answerTokens: 100 }),
    ]
    const orderOf = (policy: (typeof policies)[number]) => {
      const { startedAt } = simulate(alone, jobs, policy)
      return [...jobs.keys()].toSorted((a, b) => (startedAt[a] ?? 0) - (startedAt[b] ?? 0))
    }
    expect(orderOf(fifo)).toEqual([...jobs.keys()])
    expect(orderOf(strictPriority).slice(0, 3)).toEqual([0, 22, 1])
    expect(orderOf(strictPriority).at(-1)).toBe(21)
    expect(orderOf(fair).slice(0, 3)).toEqual([0, 22, 21])
  })

  it('that is fair has one job wait for about a service time behind a thousand of another tenant', () => {
    expect(Math.max(...oneAgainstMany(fair, 1, 1, 1).waits)).toBeLessThanOrEqual(1.1)
    expect(Math.max(...oneAgainstMany(fair, 4, 8, 1).waits)).toBeLessThanOrEqual(1.1)
    expect(Math.max(...oneAgainstMany(fifo, 1, 1, 1).waits)).toBeGreaterThan(500)
  })

  it('that is fair gives shares by weight, whatever is asked for', () => {
    const fairly = sharesOut(fair, tenToOne, 1)
    expect(fairly.jain).toBeGreaterThan(0.95)
    expect(sharesOut(fifo, tenToOne, 1).jain).toBeLessThan(0.7)
    expect(sharesOut(fair, oneTwoFour, 1).jain).toBeGreaterThan(0.95)
  })

  it('that is fair gives no credit to who was away', () => {
    const busy = Array.from({ length: 100 }, () => job({ tenant: 'busy' }))
    const both = ['busy', 'away'].flatMap((tenant) => Array.from({ length: 50 }, () => job({ at: 90, tenant })))
    const { startedAt } = simulate(alone, [...busy, ...both], fair)
    const soon = both.filter((_, index) => (startedAt[100 + index] ?? Number.NaN) < 140)
    // Of about forty turns half are its own, and not all of them.
    expect(soon.filter(({ tenant }) => tenant === 'away').length).toBeLessThanOrEqual(30)
  })

  it('that is sticky swaps seldom where the first of all lines is of another model every time', () => {
    const other = { ...unit, name: 'other' }
    const fleet = { classes: [unit, other], pools: [{ gpus: 1, classes: ['unit', 'other'] }] }
    const jobs = Array.from({ length: 200 }, (_, n) => job({ at: n / 100, modelClass: n % 2 ? 'other' : 'unit' }))
    expect(simulate(fleet, jobs, fifo).swaps).toBe(199)
    const { swaps, startedAt } = simulate(fleet, jobs, sticky)
    expect(swaps).toBeLessThanOrEqual(10)
    expect(Math.max(...startedAt)).toBeLessThan(400)
  })
})

describe('a swap', () => {
  const here = { running: 0, waiting: 0, gpus: 1, loadedSeconds: 0 }
  const other = { waiting: 4, oldestSeconds: 1, gpus: 1, loadSeconds: 8 }
  const never = Number.POSITIVE_INFINITY

  it('of an idle GPU comes when waiting has cost as much as loading would', () => {
    expect(secondsUntilSwap({ here, other })).toBe(1)
    expect(secondsUntilSwap({ here, other: { ...other, oldestSeconds: 2 } })).toBe(0)
    expect(secondsUntilSwap({ here, other: { ...other, gpus: 0 } })).toBe(0)
    expect(secondsUntilSwap({ here, other: { ...other, waiting: 0 } })).toBe(never)
  })

  it('of a GPU with work comes only for more work, when that is old and the model has been there for a while', () => {
    const busy = { ...here, running: 1, waiting: 2, loadedSeconds: 10 }
    expect(secondsUntilSwap({ here: busy, other })).toBe(30)
    expect(secondsUntilSwap({ here: { ...busy, loadedSeconds: 60 }, other })).toBe(19)
    expect(secondsUntilSwap({ here: { ...busy, waiting: 4 }, other })).toBe(never)
  })
})

describe('figures', () => {
  it("have Jain's index: 1 for equal ones, 1 ÷ n when one has all", () => {
    expect(jainIndex([3, 3, 3])).toBeCloseTo(1)
    expect(jainIndex([5, 0, 0, 0])).toBeCloseTo(0.25)
    expect(jainIndex([1, 3])).toBeCloseTo(0.8)
    expect(jainIndex([])).toBeNaN()
  })

  it('of fairness are about those who are behind, by their weight', () => {
    const jobs = ['a', 'b'].flatMap((tenant) =>
      Array.from({ length: 1_000 }, () => job({ tenant, weight: tenant === 'b' ? 3 : 1 })),
    )
    jobs.push(job({ at: 200, tenant: 'late' }))
    // One a second of each, then three of b.
    const turns = (perSecond: number) => Float64Array.from(jobs, (_, n) => (n < 1_000 ? n : (n - 1_000) / perSecond))
    expect(fairness(jobs, turns(1))).toBeCloseTo(jainIndex([3, 1]))
    expect(fairness(jobs, turns(3))).toBeCloseTo(1)
    expect(fairness(jobs, new Float64Array(jobs.length))).toBeNaN()
  })
})

describe('a heap', () => {
  it('gives the smallest key first, and of equal ones the first that came', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (keys) => {
        const heap = new Heap()
        for (const [value, key] of keys.entries()) heap.push(key, value)
        const order = [...keys.keys()].toSorted((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b)
        expect(keys.map(() => heap.pop())).toEqual(order)
        expect([heap.pop(), heap.size]).toEqual([undefined, 0])
      }),
    )
  })
})

describe('a trace', () => {
  it('has about the load and the number of jobs that were asked for, in order', () => {
    const jobs = generateTrace({
      ...{ fleet: usualFleet(10), shapes: usualShapes },
      tenants: 8,
      load: 1,
      jobs: 20_000,
      seed: 2,
    })
    expect(Math.abs(jobs.length / 20_000 - 1)).toBeLessThan(0.2)
    expect(jobs.every(({ at }, index) => at >= (jobs[index - 1]?.at ?? 0))).toBe(true)
    expect(new Set(jobs.map(({ tenant }) => tenant)).size).toBe(8)
  })

  it('is read from a file, and a bad line is named', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fleet-'))
    const file = join(folder, 'trace.jsonl')
    const line = (more: object) =>
      JSON.stringify({ at_s: 2, tenant: 'a', model: 'unit', prompt_tokens: 5, answer_tokens: 7, ...more })
    try {
      writeFileSync(file, `${line({})}\n\n${line({ at_s: 1, tier: 'flex', weight: 2 })}\n`)
      expect(readTrace(file)).toEqual([
        job({ at: 1, tier: 'flex', weight: 2, promptTokens: 5, answerTokens: 7 }),
        job({ at: 2, promptTokens: 5, answerTokens: 7 }),
      ])
      writeFileSync(file, `${line({})}\n${line({ tier: 'gold' })}\n`)
      expect(() => readTrace(file)).toThrow('line 2: tier must be one of priority, default, flex')
      writeFileSync(file, line({ at_s: -1 }))
      expect(() => readTrace(file)).toThrow('line 1: at_s must be a number of at least 0')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the command line of the simulation', () => {
  it('has defaults, and refuses what it cannot count', () => {
    expect(parseCommand(['fleet'])).toMatchObject({ gpus: 100, tenants: 50, jobs: 300_000, loads: [0.9, 1.3], seed: 1 })
    expect(parseCommand(['fleet', '--load', '2', '--trace', 'x'])).toMatchObject({ loads: [2], trace: 'x' })
    expect(() => parseCommand(['fleet', '--gpus', '1.5'])).toThrow('--gpus must be a whole number above 0')
  })
})
