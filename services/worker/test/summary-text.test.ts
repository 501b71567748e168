import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { estimateTokens, splitText } from '../src/operations/summary-text.ts'

describe('splitText', () => {
  it('loses nothing, keeps the order, and keeps to the bound', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 400 }),
        fc.integer({ min: 1, max: 30 }),
        (text, maxTokens) => {
          const pieces = splitText(text, maxTokens)
          expect(pieces.join('')).toBe(text)
          for (const piece of pieces) expect(estimateTokens(piece)).toBeLessThanOrEqual(maxTokens)
        },
      ),
    )
  })

  it('cuts between paragraphs, or else sentences, rather than inside of them', () => {
    expect(splitText('First one here.\n\nSecond one.', 5)).toEqual(['First one here.\n\n', 'Second one.'])
    expect(splitText('First one here. Second one.', 5)).toEqual(['First one here. ', 'Second one.'])
  })

  it('does not cut through a surrogate pair', () => {
    for (const piece of splitText('😀'.repeat(50), 3)) expect(piece.isWellFormed()).toBe(true)
  })
})
