import fc, { type Arbitrary } from 'fast-check'

/** A schema of an OpenAPI document, as far as values are made of it. */
export type Schema = Readonly<Record<string, unknown>>

/**
 * Values that a schema describes, more or less: right in their shape, near the bounds, and now and then spoiled in one
 * place. A rule it does not know (such as a pattern) is left to chance.
 */
export function fromSchema(schema: Schema): Arbitrary<unknown> {
  return fc.oneof(
    { weight: 3, arbitrary: shaped(schema, 0) },
    { weight: 4, arbitrary: spoiled(shaped(schema, 0)) },
    { weight: 2, arbitrary: spoiled(exampleOf(schema)) },
    { weight: 1, arbitrary: anything },
  )
}

const maxDepth = 6

function shaped(schema: Schema, depth: number): Arbitrary<unknown> {
  const { const: constant, enum: values, anyOf, oneOf, allOf } = schema
  if (constant !== undefined) return fc.constant(constant)
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]))
  if (depth > maxDepth) return fc.constant(null)
  const branches = anyOf ?? oneOf
  if (Array.isArray(branches)) return fc.oneof(...branches.map((branch: Schema) => shaped(branch, depth)))
  if (Array.isArray(allOf)) return joined(allOf.map((part: Schema) => shaped(part, depth)))
  const type = Array.isArray(schema['type']) ? (schema['type'][0] as unknown) : schema['type']
  switch (type) {
    case 'object':
      return joined([objectOf(schema, depth), conditional(schema, depth)])
    case 'array': {
      const maxLength = Math.min(4, numberOr(schema['maxItems'], 4))
      const minLength = Math.min(maxLength, numberOr(schema['minItems'], 0))
      return fc.array(shaped((schema['items'] ?? {}) as Schema, depth + 1), { minLength, maxLength })
    }
    case 'string':
      return text(schema)
    case 'integer':
    case 'number':
      return numberOf(schema, type)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function objectOf(schema: Schema, depth: number): Arbitrary<object> {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>)
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
  const fields = Object.fromEntries(properties.map(([name, value]) => [name, shaped(value, depth + 1)]))
  return fc.record(fields, { requiredKeys: Object.keys(fields).filter((name) => required.has(name)) })
}

/** One of the branches of an `if`: its test and what follows from it, or what else there is. */
function conditional(schema: Schema, depth: number): Arbitrary<unknown> {
  const { if: test, then: consequence, else: otherwise } = schema as Record<string, Schema | undefined>
  if (test === undefined) return fc.constant({})
  const asObject = (part: Schema | undefined): Arbitrary<unknown> =>
    part === undefined ? fc.constant({}) : shaped({ type: 'object', ...part }, depth + 1)
  const first = joined([asObject(test), asObject(consequence)])
  return otherwise === undefined ? first : fc.oneof(first, conditional(otherwise, depth + 1))
}

function joined(parts: readonly Arbitrary<unknown>[]): Arbitrary<unknown> {
  return fc.tuple(...parts).map((values) => {
    const objects = values.filter((value) => typeof value === 'object' && value !== null)
    return objects.length === values.length ? Object.assign({}, ...objects) : values[0]
  })
}

function text(schema: Schema): Arbitrary<string> {
  const maxLength = Math.min(numberOr(schema['maxLength'], 30), 300)
  const minLength = Math.min(numberOr(schema['minLength'], 0), maxLength)
  const words = fc.constantFrom('chat', 'team/embed', 'Hi', 'https://a.example/b', 'job_0', 'f')
  return fc.oneof(words, fc.string({ minLength, maxLength, unit: 'binary' }), fc.string({ minLength, maxLength }))
}

function numberOf(schema: Schema, type: 'integer' | 'number'): Arbitrary<number> {
  const min = numberOr(schema['minimum'], numberOr(schema['exclusiveMinimum'], -1e9))
  const max = numberOr(schema['maximum'], 1e9)
  if (type === 'number') return fc.double({ min, max, noNaN: true })
  return fc.integer({ min: Math.max(Math.ceil(min), -0x8000_0000), max: Math.min(Math.floor(max), 0x7fff_ffff) })
}

function exampleOf(schema: Schema): Arbitrary<unknown> {
  const { examples } = schema
  return Array.isArray(examples) && examples.length > 0 ? fc.constantFrom(...(examples as unknown[])) : fc.constant({})
}

/** What belongs nowhere. */
const anything: Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, true, -0, 1e308, -1, 0.5, '', '\0', '\u202e', 'x'.repeat(5_000), [], {}, [[[[]]]]),
  fc.constant(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, i]))),
)

/** The value with one place in it replaced, taken out, or added to. */
function spoiled(values: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc.tuple(values, fc.nat(), anything, fc.nat(2)).map(([value, at, instead, how]) => {
    const copy: unknown = structuredClone(value)
    const places = placesOf(copy, [])
    const place = places[at % Math.max(1, places.length)]
    if (place === undefined) return instead
    if (how === 0) place.owner[place.name] = instead
    else if (how === 1) delete place.owner[place.name]
    else place.owner[`${place.name}_`] = instead
    return copy
  })
}

interface Place {
  readonly owner: Record<string, unknown>
  readonly name: string
}

function placesOf(value: unknown, found: Place[]): Place[] {
  if (typeof value !== 'object' || value === null) return found
  const owner = value as Record<string, unknown>
  for (const name of Object.keys(owner)) {
    found.push({ owner, name })
    placesOf(owner[name], found)
  }
  return found
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}
