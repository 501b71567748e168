import { describe, expect, it } from 'vitest'
import type { GrowthResult } from '../report/cell-results.ts'
import { growthRows, slopeOf } from '../report/growth.ts'

function growth(rssMib: (tenth: number) => Record<string, number>): GrowthResult {
  const points = Array.from({ length: 10 }, (_, index) => ({
    requests: (index + 1) * 1_000,
    rssMib: rssMib(index + 1),
  }))
  return { kind: 'growth', name: 'growth', connections: 128, faults: {}, requestsPerSecond: 1, points }
}

describe('memory after very many requests', () => {
  it('is judged by the second half alone', () => {
    const [filling] = growthRows(growth((tenth) => ({ redis: 40 + 20 * Math.min(tenth, 5) })))
    expect(filling).toEqual({
      ...{ process: 'redis', firstMib: 60, halfMib: 140, lastMib: 140 },
      ...{ kibPer1000: 0, grows: false },
    })
  })

  it('grows with a line that keeps rising', () => {
    const [leaking] = growthRows(growth((tenth) => ({ worker: 100 + 4 * tenth })))
    expect(leaking?.kibPer1000).toBeCloseTo(4 * 1024)
    expect(leaking?.grows).toBe(true)
  })

  it('does not grow by a little, or by little of much', () => {
    const rows = growthRows(growth((tenth) => ({ small: 20 + tenth, large: 1_000 + 5 * tenth })))
    expect(rows.map((row) => row.grows)).toEqual([false, false])
  })

  it('takes the nearest line', () => {
    const points = [
      [0, 0],
      [1, 3],
      [2, 2],
      [3, 5],
    ] as const
    expect(slopeOf(points)).toBeCloseTo(1.4)
    expect(slopeOf([[1, 1]])).toBeNaN()
  })
})
