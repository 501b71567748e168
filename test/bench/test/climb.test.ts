import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { climb } from '../cells/climb.ts'
import { holds } from '../cells/ladder.ts'

const usual = { start: 100, factor: 1.25, halvings: 3, mostTries: 40, triesPerRung: 2 }

/** A target that holds every rate up to its capacity. */
function climbTo(capacity: number, changes: Partial<typeof usual> = {}) {
  return climb({
    ...usual,
    ...changes,
    measure: async (rate) => rate <= capacity,
    holds: (isHeld) => isHeld,
  })
}

describe('the ladder', () => {
  it('finds the capacity to within a half of a half of a rung, from below', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 1, max: 100_000, noNaN: true }), async (capacity) => {
        const { highest } = await climbTo(capacity)
        expect(highest).toBeLessThanOrEqual(capacity)
        // Down in steps of factor², the gap may be two rungs wide.
        expect(highest).toBeGreaterThan(capacity / 1.25 ** (3 / 2 ** 3))
      }),
    )
  })

  it('tries a rung that does not hold once more, and goes on where that was a disturbance', async () => {
    let disturbances = 1
    const { highest, tried } = await climb({
      ...usual,
      measure: async (rate) => rate <= 200 && !(rate > 120 && disturbances-- > 0),
      holds: (isHeld) => isHeld,
    })
    expect(highest).toBeGreaterThan(180)
    expect(tried.slice(0, 3).map(({ rate, held }) => [rate, held])).toEqual([
      [100, true],
      [125, false],
      [125, true],
    ])
  })

  it('has no rate where none holds, and ends', async () => {
    const { highest, tried } = await climbTo(0)
    expect(highest).toBeNull()
    expect(tried).toHaveLength(usual.mostTries)
  })

  it('ends where nothing is too much', async () => {
    const { highest, tried } = await climbTo(Number.POSITIVE_INFINITY, { mostTries: 5 })
    expect(tried.map(({ rate }) => rate)).toEqual([100, 125, 156.25, 195.3125, 244.140625])
    expect(highest).toBe(244.140625)
  })
})

describe('a rung', () => {
  const right = { scheduled: 300, completed: 300, p50Ms: 3, p99Ms: 49, faults: {}, overrun: false, lateP99Ms: 1 }

  it('holds with every answer right and in time', () => {
    expect(holds(right)).toBe(true)
  })

  it.each([
    ['late', { p99Ms: 50 }],
    ['short of one answer', { completed: 299 }],
    ['given up', { overrun: true }],
    ['without any answer', { completed: 0, p99Ms: Number.NaN }],
  ])('does not hold when it is %s', (_, change) => {
    expect(holds({ ...right, ...change })).toBe(false)
  })
})
