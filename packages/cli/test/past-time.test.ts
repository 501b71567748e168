import { describe, expect, it } from 'vitest'
import { pastTime } from '../src/past-time.ts'

const now = 1_750_000_000_000

describe('a time in the past', () => {
  it.each([
    ['30s', 1_749_999_970],
    ['90m', 1_749_994_600],
    ['2h', 1_749_992_800],
    ['3d', 1_749_740_800],
    ['999999d', 0],
    ['2026-11-04', 1_793_750_400],
    ['2026-11-04T10:00Z', 1_793_786_400],
  ])('%s in Unix seconds', (text, seconds) => {
    expect(pastTime(text, undefined, now)).toBe(seconds)
  })

  it.each(['', 'yesterday', '2', '2w', '-2h', '2.5h', '2026', '1969-01-01', '2026-13-45', '0x10m'])(
    'is not %j',
    (text) => {
      expect(() => pastTime(text, undefined, now)).toThrow('expected a time')
    },
  )
})
