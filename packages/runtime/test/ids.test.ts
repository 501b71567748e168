import { expect, test } from 'vitest'
import { backoffMs, createId, createIdFactory } from '../src/index.ts'

test('an id is a prefix and 26 characters that Redis keys and job ids may hold', () => {
  expect(createId('job')).toMatch(/^job_[0-9a-hjkmnp-tv-z]{26}$/)
})

test('ids sort by the millisecond they were made in', () => {
  let nowMs = Date.UTC(2026, 10, 20)
  const create = createIdFactory({ now: () => nowMs })
  const ids: string[] = []
  for (let step = 0; step < 200; step++) {
    ids.push(create('job'))
    nowMs += step % 7 === 0 ? 40_000_000 : 1
  }
  expect(ids.toSorted()).toEqual(ids)
})

test('a hundred thousand ids of one millisecond are all different', () => {
  const create = createIdFactory({ now: () => 1 })
  expect(new Set(Array.from({ length: 100_000 }, () => create('job'))).size).toBe(100_000)
})

test('every random bit reaches the id', () => {
  const ids = new Set<string>()
  for (let bit = 0; bit < 80; bit++) {
    const create = createIdFactory({
      now: () => 1,
      fill: (buffer) => {
        buffer.fill(0)
        buffer[Math.floor(bit / 8)] = 1 << (bit % 8)
      },
    })
    ids.add(create('job'))
  }
  expect(ids.size).toBe(80)
})

test('a backoff doubles up to its bound, half of it by chance', () => {
  const backoff = { firstMs: 100, maxMs: 1_000 }
  expect([1, 2, 3, 4, 5, 500].map((attempt) => backoffMs(backoff, attempt, () => 1))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ])
  expect([1, 2].map((attempt) => backoffMs(backoff, attempt, () => 0))).toEqual([50, 100])
})
