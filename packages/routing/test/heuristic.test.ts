import { requestKinds } from '@inferq/config'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifyRequest } from '../src/heuristic.ts'

const kindOf = (content: string, others: object = {}, tokens = 20) =>
  classifyRequest({ messages: [{ role: 'user', content }], ...others }, () => tokens).kind

describe('the look of a request', () => {
  it.each([
    ['simple', 'What is the capital of France?'],
    ['simple', 'Write a friendly note to my landlord.'],
    ['simple', 'Tell me about the class of 1999; it was a good one'],
    ['code', 'What does this do?\n```\nx = 1\n```'],
    ['code', 'Refactor the function in src/main.py so that it returns early'],
    ['code', 'const total = items.map((item) => item.price)'],
    ['reasoning', 'Think step by step: who owns the fish?'],
    ['reasoning', 'Prove that there are infinitely many primes.'],
    ['reasoning', 'What are the trade-offs of moving to another city?'],
  ])('is %s: %s', (kind, content) => {
    expect(kindOf(content)).toBe(kind)
  })

  it('is long from 10,000 tokens on, and reasoning whenever it asks for it', () => {
    expect(kindOf('Hi', {}, 9_999)).toBe('simple')
    expect(kindOf('Prove it', {}, 10_000)).toBe('long')
    expect(kindOf('Hi', { reasoning_effort: 'high' }, 10_000)).toBe('reasoning')
    expect(kindOf('Hi', { reasoning_effort: 'low' })).toBe('simple')
    expect(kindOf('Hi', { thinking: { type: 'enabled' } })).toBe('reasoning')
  })

  it('is that of what the user said last', () => {
    const messages = [
      { role: 'user', content: 'Prove it.' },
      { role: 'assistant', content: '```proof```' },
      { role: 'user', content: [{ type: 'text', text: 'Thanks!' }] },
      { role: 'assistant', content: 'Prove' },
    ]
    expect(classifyRequest({ messages }, () => 1).kind).toBe('simple')
  })

  it('is one of the kinds for anything at all, and no text takes long to look at', () => {
    const anything = fc.dictionary(fc.constantFrom('messages', 'prompt', 'input', 'text', 'reasoning'), fc.jsonValue())
    fc.assert(
      fc.property(anything, fc.nat(), (body, tokens) => {
        expect(requestKinds).toContain(classifyRequest(body, () => tokens).kind)
      }),
    )
    // Hard cases for regular expressions that go back: they end, or the test runs out of time.
    for (const piece of ['a.', 'write ', 'function ', 'const x ', '-', 'step ', '\n', '<', 'probability ']) {
      expect(requestKinds).toContain(kindOf(piece.repeat(1_000_000 / piece.length)))
    }
  })
})
