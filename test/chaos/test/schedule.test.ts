import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FaultRoom } from '../faults/fault.ts'
import { faults } from '../faults/index.ts'
import { drawSchedule, quietEndMs, type Schedulable, warmUpMs } from '../run/schedule.ts'

const rooms: readonly FaultRoom[] = ['redis', 'postgres', 'process', 'upstream']

const someFaults = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 8 }),
    room: fc.constantFrom(...rooms),
    lastsMs: fc
      .tuple(fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 0, max: 30_000 }))
      .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
  }),
  { minLength: 1, maxLength: 40, selector: ({ name }) => name },
)
const seeds = fc.integer({ min: 0, max: 2 ** 31 })
const durations = fc.integer({ min: 1_000, max: 1_800_000 })

describe('the schedule of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    fc.assert(
      fc.property(someFaults, seeds, durations, (drawn, seed, durationMs) => {
        const options = { faults: drawn, seed, durationMs }
        expect(drawSchedule(options)).toEqual(drawSchedule(options))
      }),
    )
    const of = (seed: number): object => drawSchedule({ faults, seed, durationMs: 600_000 })
    expect(of(1)).not.toEqual(of(2))
  })

  it('leaves time to warm up before, and to heal after', () => {
    fc.assert(
      fc.property(someFaults, seeds, durations, (drawn, seed, durationMs) => {
        for (const { atMs, lastsMs } of drawSchedule({ faults: drawn, seed, durationMs })) {
          expect(atMs).toBeGreaterThanOrEqual(warmUpMs)
          expect(atMs + lastsMs).toBeLessThanOrEqual(durationMs - quietEndMs)
        }
      }),
    )
  })

  it('keeps each fault to the time it may last', () => {
    fc.assert(
      fc.property(someFaults, seeds, durations, (drawn, seed, durationMs) => {
        for (const { fault, lastsMs } of drawSchedule({ faults: drawn, seed, durationMs })) {
          const [min, max] = named(drawn, fault).lastsMs
          expect(lastsMs).toBeGreaterThanOrEqual(min)
          expect(lastsMs).toBeLessThanOrEqual(max)
        }
      }),
    )
  })

  it('never has two of one room at once, nor three of any', () => {
    fc.assert(
      fc.property(someFaults, seeds, durations, (drawn, seed, durationMs) => {
        const schedule = drawSchedule({ faults: drawn, seed, durationMs })
        for (const [place, { fault, atMs }] of schedule.entries()) {
          const running = schedule.slice(0, place).filter((one) => one.atMs + one.lastsMs > atMs)
          expect(running.length).toBeLessThanOrEqual(1)
          expect(running.map((one) => named(drawn, one.fault).room)).not.toContain(named(drawn, fault).room)
        }
      }),
    )
  })

  it('has every fault once before any comes a third time, when the run is long enough', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const schedule = drawSchedule({ faults, seed, durationMs: 1_200_000 })
        const times = faults.map(({ name }) => schedule.filter(({ fault }) => fault === name).length)
        expect(Math.min(...times)).toBeGreaterThanOrEqual(1)
        expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(2)
      }),
      { numRuns: 50 },
    )
  })

  it('at times lets two faults happen at once', () => {
    const schedule = drawSchedule({ faults, seed: 1, durationMs: 1_200_000 })
    const overlapping = schedule.filter(({ atMs }, place) =>
      schedule.slice(0, place).some((one) => one.atMs + one.lastsMs > atMs),
    )
    expect(overlapping.length).toBeGreaterThan(0)
    expect(overlapping.length).toBeLessThan(schedule.length / 2)
  })

  it('leaves what takes long out of short runs', () => {
    const long = { ...(faults[0] as Schedulable), name: 'long', minRunMs: 300_000 }
    const names = (durationMs: number): string[] =>
      drawSchedule({ faults: [long], seed: 1, durationMs }).map(({ fault }) => fault)
    expect(names(299_999)).toEqual([])
    expect(names(300_000)).toContain('long')
  })
})

describe('the faults', () => {
  it('have names of their own, and a line that says what happens', () => {
    expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length)
    for (const { name, description, lastsMs } of faults) {
      expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/)
      expect(description).not.toBe('')
      expect(lastsMs[0]).toBeLessThanOrEqual(lastsMs[1])
    }
  })
})

function named(all: readonly Schedulable[], name: string): Schedulable {
  const fault = all.find((one) => one.name === name)
  if (fault === undefined) throw new Error(`no fault ${name}`)
  return fault
}
