import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  alternated,
  createRandom,
  differences,
  median,
  percentile,
  percentilesOf,
  shuffled,
  spreadOf,
} from '../measure/statistics.ts'

const oneToHundred = Array.from({ length: 100 }, (_, index) => 100 - index)

describe('percentiles', () => {
  it('are values that were measured, whatever the order', () => {
    expect(percentilesOf(oneToHundred)).toEqual({ p50: 50, p90: 90, p99: 99 })
    expect(percentile([7], 0.99)).toBe(7)
    expect(percentile([1, 2], 1)).toBe(2)
  })

  it('of nothing are not a number', () => {
    expect(percentile([], 0.5)).toBeNaN()
    expect(median([])).toBeNaN()
  })

  it('never lie outside what was measured, and grow with the share', () => {
    const values = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 })
    fc.assert(
      fc.property(values, fc.double({ noNaN: true, min: 0, max: 1 }), (list, p) => {
        const value = percentile(list, p)
        expect(list).toContain(value)
        expect(value).toBeLessThanOrEqual(percentile(list, 1))
        expect(value).toBeGreaterThanOrEqual(percentile(list, 0))
      }),
    )
  })
})

describe('what repeats say', () => {
  it('is the middle one, or the mean of the two in the middle, between the extremes', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it('is taken pair by pair where values belong together', () => {
    expect(differences([5, 7], [4, 9])).toEqual([1, -2])
    expect(() => differences([1], [])).toThrow('1 values against 0')
  })
})

describe('the order of targets', () => {
  it('gives everybody every place, and turns around every other time', () => {
    expect([0, 1, 2].map((repeat) => alternated(['a', 'b', 'c'], repeat).join(''))).toEqual(['abc', 'acb', 'cab'])
    expect(alternated([], 3)).toEqual([])
  })

  it('drawn from a seed is the same again, and a permutation', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
        const order = shuffled(items, createRandom(seed))
        expect(shuffled(items, createRandom(seed))).toEqual(order)
        expect(order.toSorted()).toEqual(items.toSorted())
      }),
    )
  })

  it('is drawn evenly', () => {
    const random = createRandom(7)
    const firsts = Array.from({ length: 3_000 }, () => shuffled(['a', 'b', 'c'], random)[0])
    for (const name of ['a', 'b', 'c']) {
      expect(firsts.filter((first) => first === name).length).toBeGreaterThan(900)
    }
  })
})
