import fc from 'fast-check'
import { estimateTokenCount } from 'tokenx'
import { describe, expect, it } from 'vitest'
import { createPromptSize, estimatePromptTokens } from '../src/prompt-size.ts'

const prose = 'The quick brown fox jumps over the lazy dog, and then it rains 42 times in München.\n'

describe('the size of a prompt', () => {
  it('counts texts, messages, tools and tokens that are tokens already', () => {
    const content = estimateTokenCount(prose)
    expect(estimatePromptTokens({ messages: [{ role: 'user', content: prose }] })).toBe(content + 4)
    expect(estimatePromptTokens({ messages: [{ role: 'user', content: [{ type: 'text', text: prose }] }] })).toBe(
      content + 4,
    )
    expect(estimatePromptTokens({ prompt: prose })).toBe(content)
    expect(estimatePromptTokens({ text: prose })).toBe(content)
    expect(estimatePromptTokens({ input: [1, 2, 3] })).toBe(3)
    expect(estimatePromptTokens({ input: [[1, 2], [3]] })).toBe(3)
    expect(estimatePromptTokens({ prompt: prose, tools: [{ type: 'function' }] })).toBeGreaterThan(content)
  })

  it('counts an image flat', () => {
    const image = (extra: object) => ({ messages: [{ role: 'user', content: [{ type: 'image_url', ...extra }] }] })
    expect(estimatePromptTokens(image({ image_url: { url: 'data:x' } }))).toBe(769)
    expect(estimatePromptTokens(image({ image_url: { url: 'data:x', detail: 'low' } }))).toBe(89)
  })

  it('takes the longest of several prompts for itself', () => {
    const size = createPromptSize('embeddings', { input: ['a', prose, 'b c'] })
    expect(size.longest().tokens).toBe(estimateTokenCount(prose))
    expect(size.total().tokens).toBe(estimateTokenCount(prose) + 3)
    expect(createPromptSize('embeddings', { input: [[1, 2], [3]] }).longest().tokens).toBe(2)
    expect(createPromptSize('embeddings', { input: [1, 2, 3] }).longest().tokens).toBe(3)
  })

  it('samples long texts, near to what all of it would give', () => {
    const texts = [
      prose,
      '漢字かな交じり文を書く。',
      'if (x[0] === "a") { return y_z(1, 2); }\n',
      'Привет мир, как дела? ',
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...texts), { minLength: 300, maxLength: 600 }), (parts) => {
        const messages = parts.map((content) => ({ role: 'user', content }))
        const size = createPromptSize('chat', { messages })
        const exact = parts.reduce((sum, text) => sum + estimateTokenCount(text), 4 * parts.length)
        expect(size.total().sampled).toBe(true)
        expect(size.total().tokens / exact).toBeGreaterThan(0.6)
        expect(size.total().tokens / exact).toBeLessThan(1.4)
      }),
      { numRuns: 20 },
    )
    const long = prose.repeat(2000)
    expect(createPromptSize('chat', { prompt: long }).total().tokens / estimateTokenCount(long)).toBeCloseTo(1, 1)
  })

  it('is never above its upper bound, whatever the request holds', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('prompt', 'input', 'messages', 'text', 'tools'), fc.jsonValue()),
        (body) => {
          for (const operation of ['chat', 'text', 'embeddings', 'summary'] as const) {
            const size = createPromptSize(operation, body)
            expect(size.longest().tokens).toBeLessThanOrEqual(size.upperBound)
            expect(size.total().tokens).toBeGreaterThanOrEqual(0)
            expect(size.roughTokens).toBeGreaterThanOrEqual(0)
          }
        },
      ),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 4000 }), (prompt) => {
        const size = createPromptSize('chat', { prompt })
        expect(size.longest().tokens).toBeLessThanOrEqual(size.upperBound)
      }),
    )
  })

  it('has a rough size too, for nothing: a quarter of its characters, and what is counted in tokens', () => {
    const { roughTokens } = createPromptSize('chat', { messages: [{ role: 'user', content: prose }] })
    expect(roughTokens).toBe(4 + Math.ceil(prose.length / 4))
    expect(createPromptSize('embeddings', { input: ['a'.repeat(6), 'b'.repeat(6)] }).roughTokens).toBe(3)
    expect(createPromptSize('embeddings', { input: [[1, 2], [3]] }).roughTokens).toBe(3)
    expect(createPromptSize('chat', {}).roughTokens).toBe(0)
  })

  it('takes nesting without end for nothing', () => {
    let nested: unknown = 'x'
    for (let depth = 0; depth < 5000; depth += 1) nested = [nested]
    expect(estimatePromptTokens({ messages: nested })).toBe(4)
  })
})
