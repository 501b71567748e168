import { describe, expect, it } from 'vitest'
import { createValidation } from '../src/validation.ts'

describe('the validation of a route', () => {
  const route = { method: 'POST', url: '/', httpPart: 'body' } as const

  it('compiles its schema when it is first asked, and once', () => {
    let read = 0
    const schema = {
      type: 'object',
      get required() {
        read++
        return ['name']
      },
    }
    const validation = createValidation()
    const first = validation.compiler({ ...route, schema })
    const second = validation.compiler({ ...route, schema })
    expect(read).toBe(0)
    expect(first({ name: 'x' })).toBe(true)
    const compiled = read
    expect(compiled).toBeGreaterThan(0)
    expect(first({ name: 'y' })).toBe(true)
    expect(second({ name: 'z' })).toBe(true)
    expect(read).toBe(compiled)
  })

  it('leaves the faults of the last check where Fastify looks for them', () => {
    const check = createValidation().compiler({ ...route, schema: { type: 'object', required: ['name'] } })
    expect(check({})).toBe(false)
    expect({ ...check }).toMatchObject({ errors: [{ keyword: 'required', params: { missingProperty: 'name' } }] })
    expect(check({ name: 'x' })).toBe(true)
    expect({ ...check }).toEqual({ errors: null })
  })
})
