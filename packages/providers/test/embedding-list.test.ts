import { InferqError } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { embeddingsAsAsked, withEmbeddingUsage } from '../src/embedding-list.ts'
import type { JsonObject } from '../src/json.ts'
import { removeOwnFields } from '../src/own-fields.ts'
import { withUsage } from '../src/usage.ts'

const vectors = fc.array(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 6,
})

const listOf = (embeddings: readonly unknown[]): JsonObject => ({
  object: 'list',
  data: embeddings.map((embedding, index) => ({ object: 'embedding', index, embedding })),
})
const embeddingsOf = (result: JsonObject): unknown[] =>
  (result['data'] as { embedding: unknown }[]).map(({ embedding }) => embedding)

describe('embeddings as they were asked for', () => {
  it('come in base64 from an upstream that has numbers, and back in numbers', () => {
    fc.assert(
      fc.property(vectors, (numbers) => {
        const coded = embeddingsAsAsked(listOf(numbers), 'base64', numbers.length)
        expect(embeddingsOf(coded).every((embedding) => typeof embedding === 'string')).toBe(true)
        for (const encoding of ['float', undefined, null]) {
          const back = embeddingsAsAsked(coded, encoding, numbers.length)
          expect(embeddingsOf(back)).toEqual(numbers)
        }
        expect(embeddingsAsAsked(coded, 'base64', numbers.length)).toEqual(coded)
      }),
    )
  })

  it('come in the order of the inputs, whatever order the upstream has', () => {
    const shuffled = { data: [2, 0, 1].map((index) => ({ index, embedding: [index] })) }
    expect(embeddingsOf(embeddingsAsAsked(shuffled, 'float', 3))).toEqual([[0], [1], [2]])
    const unnumbered = { data: [{ embedding: [1] }, { embedding: [2] }] }
    expect(embeddingsAsAsked(unnumbered, 'float', 2)['data']).toMatchObject([{ index: 0 }, { index: 1 }])
  })

  it.each([
    ['too few', { data: [{ index: 0, embedding: [1] }] }],
    ['one twice', { data: [0, 0].map((index) => ({ index, embedding: [1] })) }],
    ['a place that is none', { data: [0, 2].map((index) => ({ index, embedding: [1] })) }],
    ['a place before the first', { data: [0, -1].map((index) => ({ index, embedding: [1] })) }],
    ['half a place', { data: [0, 0.5].map((index) => ({ index, embedding: [1] })) }],
    ['an entry that is a number', { data: [{ index: 0, embedding: [1] }, 5] }],
    ['nothing in an entry', { data: [{ index: 0, embedding: [1] }, { index: 1 }] }],
    [
      'base64 that is no floats',
      {
        data: [
          { index: 0, embedding: [1] },
          { index: 1, embedding: 'AAAA' },
        ],
      },
    ],
    ['no list', { data: {} }],
  ])('are refused as malformed with %s', (_what, result) => {
    expect(() => embeddingsAsAsked(result, 'float', 2)).toThrow(InferqError)
  })

  it('have a usage that is whole', () => {
    expect(withEmbeddingUsage({}, 7)['usage']).toEqual({ prompt_tokens: 7, total_tokens: 7 })
    const partial = { usage: { prompt_tokens: null, seconds: 1 } }
    expect(withEmbeddingUsage(partial, 7)['usage']).toEqual({ prompt_tokens: 7, total_tokens: 7, seconds: 1 })
    const whole = { usage: { prompt_tokens: 3, total_tokens: 3 } }
    expect(withEmbeddingUsage(whole, 7)).toBe(whole)
  })
})

describe('a whole answer', () => {
  it('gets the counts that its upstream left out, and keeps the others', () => {
    const usage = { promptTokens: 3, completionTokens: 4, estimated: true } as const
    const counts = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
    expect(withUsage({ id: 'x' }, usage)).toEqual({ id: 'x', usage: counts })
    const details = { completion_tokens_details: { reasoning_tokens: 2 } }
    expect(withUsage({ usage: { prompt_tokens: 3, ...details } }, usage)['usage']).toEqual({ ...counts, ...details })
    const whole = { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }
    expect(withUsage(whole, usage)).toBe(whole)
  })
})

describe('fields that are inferq’s own', () => {
  it('leave the body, and nothing else does', () => {
    const body: JsonObject = {
      model: 'm',
      tags: ['a'],
      cache: { 'no-cache': true },
      service_tier: 'flex',
      mock_response: 'x',
      mock_timeout: true,
      metadata: { tags: ['b'], doc: '1' },
      temperature: 1,
    }
    removeOwnFields(body)
    expect(body).toEqual({ model: 'm', metadata: { doc: '1' }, temperature: 1 })
    const tagged: JsonObject = { metadata: { tags: ['b'] } }
    removeOwnFields(tagged)
    expect(tagged).toEqual({})
  })
})
