import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ClassDemand, desiredReplicas, type ScaleWishes } from '../src/autoscale/desired-replicas.ts'

const wishes: ScaleWishes = { targetWaitSeconds: 30, min: 0, max: 1_000 }
const idle: ClassDemand = {
  ...{ waiting: 0, active: 0, oldestSeconds: null, workers: 0, slotsPerWorker: 8, meanSeconds: 10 },
}
const desired = (demand: Partial<ClassDemand>, other: Partial<ScaleWishes> = {}): number =>
  desiredReplicas({ ...idle, ...demand }, { ...wishes, ...other })

describe('the workers that a class should have', () => {
  it('are none only where nothing waits and nothing runs', () => {
    expect(desired({})).toBe(0)
    expect(desired({ workers: 5 })).toBe(0)
    expect(desired({ active: 1, workers: 1 })).toBe(1)
    expect(desired({ waiting: 1, oldestSeconds: 0 })).toBe(1)
  })

  it('are one for the first job of a class that nobody has ever served', () => {
    expect(desired({ waiting: 1, oldestSeconds: 0.2, meanSeconds: null, slotsPerWorker: 1 })).toBe(1)
  })

  it('clear the backlog within the wait that is wanted', () => {
    // A slot ends 3 jobs of 10 s in 30 s: 96 jobs need 32 slots, 4 workers of 8.
    expect(desired({ waiting: 96, oldestSeconds: 1 })).toBe(4)
    expect(desired({ waiting: 96, oldestSeconds: 1, active: 16, workers: 2 })).toBe(6)
    expect(desired({ waiting: 96, oldestSeconds: 1 }, { targetWaitSeconds: 60 })).toBe(2)
  })

  it('are no more than there are jobs for, however long a job takes', () => {
    expect(desired({ waiting: 16, oldestSeconds: 1, meanSeconds: 600 })).toBe(2)
    expect(desired({ waiting: 16, oldestSeconds: 1, meanSeconds: null })).toBe(2)
  })

  it('are one more than there are while the oldest has waited for too long', () => {
    const late = { waiting: 40, active: 16, workers: 4, meanSeconds: 1 }
    expect(desired({ ...late, oldestSeconds: 29 })).toBe(3)
    expect(desired({ ...late, oldestSeconds: 31 })).toBe(5)
    // There are no jobs for one more.
    expect(desired({ ...late, waiting: 2, oldestSeconds: 31 })).toBe(3)
  })

  it('stay within their bounds', () => {
    expect(desired({}, { min: 2 })).toBe(2)
    expect(desired({ waiting: 9_000, oldestSeconds: 99 }, { max: 7 })).toBe(7)
  })

  it('are never fewer for more demand, and never none while there is any', () => {
    const amount = fc.nat({ max: 100_000 })
    const demands = fc.record({
      ...{ waiting: amount, active: amount, workers: fc.nat({ max: 1_000 }) },
      oldestSeconds: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
      slotsPerWorker: fc.double({ min: 1, max: 512, noNaN: true }),
      meanSeconds: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true })),
    })
    fc.assert(
      fc.property(demands, fc.nat({ max: 1_000 }), (demand, more) => {
        const all = { ...wishes, max: 1_000_000 }
        const now = desiredReplicas(demand, all)
        expect(Number.isInteger(now)).toBe(true)
        expect(now > 0).toBe(demand.waiting + demand.active > 0)
        expect(desiredReplicas({ ...demand, waiting: demand.waiting + more }, all)).toBeGreaterThanOrEqual(now)
        expect(desiredReplicas({ ...demand, active: demand.active + more }, all)).toBeGreaterThanOrEqual(now)
      }),
    )
  })
})
