import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSealer } from '../src/index.ts'

const sealer = createSealer('a secret')
const params = { model: 'openai/gpt-4o', api_key: 'sk-planted' }

describe('sealed parameters', () => {
  it('open again with the same secret, whatever they hold', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(fc.string(), json, (id, value) => {
        const plain = JSON.parse(JSON.stringify(value))
        expect(createOpener().open(id, sealer.seal(id, plain))).toEqual({ kind: 'opened', params: plain })
      }),
      { numRuns: 50 },
    )
  })

  it('show nothing of what is in them, and look different each time', () => {
    const sealed = sealer.seal('m', params)
    expect(sealed).not.toContain('sk-planted')
    expect(Buffer.from(sealed.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain('planted')
    expect(sealer.seal('m', params)).not.toBe(sealed)
  })

  it('are the same whether the key was made ahead or when it was needed', async () => {
    const prepared = createSealer('a secret')
    let elsewhere = false
    setImmediate(() => {
      elsewhere = true
    })
    await Promise.all([prepared.prepare(), prepared.prepare()])
    expect(elsewhere).toBe(true)
    expect(createOpener().open('m', prepared.seal('m', params))).toEqual({ kind: 'opened', params })
    expect(prepared.open('m', sealer.seal('m', params))).toEqual({ kind: 'opened', params })
    await createSealer(undefined).prepare()
  })

  it('do not open with another secret, without one, or for another model', () => {
    const sealed = sealer.seal('m', params)
    expect(createSealer('another').open('m', sealed)).toMatchObject({ kind: 'refused', reason: /another key/ })
    expect(createSealer(undefined).open('m', sealed)).toMatchObject({ kind: 'refused', reason: /no key/ })
    expect(sealer.open('n', sealed)).toMatchObject({ kind: 'refused' })
    expect(() => createSealer(undefined).seal('m', params)).toThrow('INFERQ_SALT_KEY')
  })

  it('come with keys for other things: the same everywhere with this secret, others for others', () => {
    const key = sealer.deriveKey('urls')
    expect(key).toHaveLength(32)
    expect(createOpener().deriveKey('urls')).toEqual(key)
    expect(sealer.deriveKey('other')).not.toEqual(key)
    expect(createSealer('another').deriveKey('urls')).not.toEqual(key)
    expect(() => createSealer(undefined).deriveKey('urls')).toThrow('INFERQ_SALT_KEY')
  })

  it('are refused when a character of them is changed, and nothing else opens either', () => {
    const sealed = sealer.seal('m', params)
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.constantFrom('A', 'z', '.', '-', '\0'), (place, character) => {
        const changed = sealed.slice(0, place) + character + sealed.slice(place + 1)
        const same = Buffer.from(changed, 'latin1').equals(Buffer.from(sealed, 'latin1'))
        // The last character of base64url holds bits that count for nothing.
        if (!same && place < sealed.length - 1) expect(sealer.open('m', changed).kind).toBe('refused')
      }),
      { numRuns: 200 },
    )
    fc.assert(fc.property(fc.string(), (text) => sealer.open('m', text).kind === 'refused'))
  })
})

let opener: ReturnType<typeof createSealer> | undefined
/** Another process with the same secret. */
function createOpener(): ReturnType<typeof createSealer> {
  opener ??= createSealer('a secret')
  return opener
}
