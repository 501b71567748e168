import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { embedText } from '../src/embeddings.ts'
import { valueForSchema } from '../src/json-answer.ts'
import { planText, type TextRequest } from '../src/plan.ts'
import { composeProse, composeSummary } from '../src/prose.ts'
import { createRandom } from '../src/random.ts'
import { tokenize } from '../src/tokens.ts'

const request: TextRequest = {
  model: 'm',
  turns: [{ role: 'user', text: 'hi' }],
  prefix: '',
  choices: 1,
  seed: 0,
  maxTokens: undefined,
  stop: [],
  json: undefined,
  tools: [],
  requiredTool: undefined,
  allowTools: true,
}

function contents(given: Partial<TextRequest>, script: Parameters<typeof planText>[2] = {}): string {
  const plan = planText(1, { ...request, ...given }, script)
  return (plan.choices[0]?.pieces ?? []).map(({ text }) => text).join('')
}

describe('generation', () => {
  it('splits any text into tokens that join to the text again', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => tokenize(text).join('') === text))
  })

  it('continues any text exactly from any cut', () => {
    const property = fc.property(fc.string({ maxLength: 60 }), fc.nat(), (text, at) => {
      const prefix = text.slice(0, text.length === 0 ? 0 : at % (text.length + 1))
      expect(prefix + contents({ prefix }, { text })).toBe(text)
    })
    fc.assert(property)
  })

  it('never says a stop sequence, and says everything before it', () => {
    const short = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.'), maxLength: 12 })
    const stops = fc.array(
      short.filter((stop) => stop !== ''),
      { maxLength: 3 },
    )
    const property = fc.property(short, stops, (text, stop) => {
      const said = contents({ stop }, { text })
      for (const sequence of stop) expect(said).not.toContain(sequence)
      expect(text.startsWith(said)).toBe(true)
      if (said !== text) expect(stop.some((sequence) => text.startsWith(sequence, said.length))).toBe(true)
    })
    fc.assert(property)
  })

  it('composes exactly as many tokens as asked, the same for the same seed', () => {
    const text = 'rivers and mountains and rivers and harbors'
    const property = fc.property(fc.integer(), fc.nat(300), (seed, count) => {
      for (const compose of [
        composeProse,
        (...given: Parameters<typeof composeProse>) => composeSummary(given[0], given[1], text),
      ]) {
        const tokens = compose(createRandom(seed), count)
        expect(tokens).toHaveLength(count)
        expect(compose(createRandom(seed), count)).toEqual(tokens)
      }
    })
    fc.assert(property)
  })

  it('embeds any text as a unit vector', () => {
    const property = fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.integer({ min: 1, max: 64 }),
      (text, dimensions) => {
        const vector = embedText(text, dimensions)
        expect(Math.hypot(...vector)).toBeCloseTo(1, 4)
        expect(embedText(text, dimensions)).toEqual(vector)
      },
    )
    fc.assert(property)
  })

  it('follows local references of a schema, as far as they lead', () => {
    const node = { type: 'object', properties: { ok: { const: true }, next: { $ref: '#/$defs/node' } } }
    const value = valueForSchema({ $defs: { node }, $ref: '#/$defs/node' }, createRandom(1))
    expect(value).toMatchObject({ ok: true, next: { ok: true } })
    expect(JSON.stringify(value).length).toBeLessThan(1_000)
  })

  it('survives any schema, also one that contains itself', () => {
    fc.assert(fc.property(fc.anything(), (schema) => void JSON.stringify(valueForSchema(schema, createRandom(1)))))
    const endless: Record<string, unknown> = { type: 'object' }
    endless['properties'] = { self: endless }
    expect(JSON.stringify(valueForSchema(endless, createRandom(1)))).toContain('self')
  })
})
