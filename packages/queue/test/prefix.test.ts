import { describe, expect, it } from 'vitest'
import { prefixLeft, prefixSought } from '../src/index.ts'

const user = (content: unknown) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const promptOf = (messages: readonly object[], more: object = {}, model = 'chat') => ({
  operation: 'chat' as const,
  request: { model: 'as asked', messages, ...more },
  candidates: [
    { model, class: 'gpu', deployments: [] },
    { model: 'other', class: 'gpu', deployments: [] },
  ],
})

const first = [{ role: 'system', content: 'Be brief.' }, user([{ type: 'text', text: 'Hello' }])]
const second = [...first, assistant('Hi.'), user('And now?')]

describe('the beginning of a prompt', () => {
  it('that a turn leaves is what the next one seeks, whatever was answered', () => {
    expect(prefixSought(promptOf(second), 0)).toBe(prefixLeft(promptOf(first), 0))
    const third = [...second, assistant('Now.'), user('And then?')]
    expect(prefixSought(promptOf(third), 0)).toBe(prefixLeft(promptOf(second), 0))
  })

  it('is found again after calls of tools', () => {
    const called = [...first, { role: 'assistant', tool_calls: [{ id: 'a' }] }, { role: 'tool', content: '42' }]
    expect(prefixSought(promptOf(called), 0)).toBe(prefixLeft(promptOf(first), 0))
  })

  it('is sought by no first turn, and by nothing but a chat', () => {
    expect(prefixSought(promptOf(first), 0)).toBeUndefined()
    expect(prefixSought(promptOf([assistant('Hi.'), user('Who?')]), 0)).toBeUndefined()
    const text = { ...promptOf([]), operation: 'text' as const, request: { prompt: 'Hello' } }
    expect([prefixSought(text, 0), prefixLeft(text, 0)]).toEqual([undefined, undefined])
    expect(prefixLeft({ ...promptOf(first), operation: 'summary' as const }, 0)).toBeUndefined()
  })

  it('is another one for other words, tools or models', () => {
    const prefixes = [
      prefixLeft(promptOf(first), 0),
      prefixLeft(promptOf(first), 1),
      prefixLeft(promptOf(first, {}, 'larger'), 0),
      prefixLeft(promptOf(first, { tools: [{ type: 'function' }] }), 0),
      prefixLeft(promptOf([user('Hello')]), 0),
    ]
    expect(new Set(prefixes).size).toBe(prefixes.length)
  })
})
