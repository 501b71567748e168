import type { ErrorDetail } from '@inferq/contracts'
import type { ErrorObject } from 'ajv'

/**
 * The one fault to tell a client, out of what Ajv found, in OpenAI's words: the parameter as a path
 * (`messages[0].content`), what was expected, never the value that came (it may be content).
 *
 * A union reports the faults of all its branches. The branch that was meant is the one that got furthest: the deepest
 * path, then the last index; where several stopped at the same place, a broken bound says more than a wrong type, and
 * wrong types are told together ("a string or an array").
 * @param prefix goes before the path, for a body inside another: `request`.
 */
export function describeFault(errors: readonly ErrorObject[], prefix = ''): ErrorDetail {
  const leaves = errors.filter((error) => !compositeKeywords.has(error.keyword))
  const furthest = (leaves.length > 0 ? leaves : errors).reduce<ErrorObject | undefined>(
    (best, error) => (best === undefined || comparePaths(error.instancePath, best.instancePath) > 0 ? error : best),
    undefined,
  )
  if (furthest === undefined) return { code: 'invalid_value', message: 'The request is not valid.' }
  const there = leaves.filter((error) => error.instancePath === furthest.instancePath)
  // A branch that misses a field had the right type.
  const bound = there.find(({ keyword }) => keyword === 'required') ?? there.find(({ keyword }) => keyword !== 'type')
  return bound === undefined ? describeTypes(there, prefix) : describeBound(bound, prefix)
}

/** Keywords that only say that something inside failed. */
const compositeKeywords = new Set(['anyOf', 'oneOf', 'allOf', 'if', 'propertyNames'])
/** In a schema: what inferq does not do, in words. Whatever is there is refused by name. */
export const unsupportedKeyword = 'x-unsupported'
const maxParamLength = 200

function describeTypes(errors: readonly ErrorObject[], prefix: string): ErrorDetail {
  const param = toParam(errors[0]?.instancePath ?? '', prefix)
  const expected = [...new Set(errors.flatMap((error) => expectedTypes(error)))].map((type) => nouns[type] ?? type)
  const found = nounOf(errors[0]?.data)
  const message = `expected ${join(expected)}, but got ${found} instead.`
  return param === ''
    ? { code: 'invalid_value', message: `Invalid request body: ${message}` }
    : { code: 'invalid_value', message: `Invalid type for '${param}': ${message}`, param }
}

function describeBound(error: ErrorObject, prefix: string): ErrorDetail {
  const at = toParam(error.instancePath, prefix)
  if (error.keyword === 'required') {
    const param = child(at, String(error.params['missingProperty']))
    return { code: 'missing_required_parameter', message: `Missing required parameter: '${param}'.`, param }
  }
  if (error.keyword === 'additionalProperties') {
    const param = child(at, String(error.params['additionalProperty']))
    return { code: 'unknown_parameter', message: `Unknown parameter: '${param}'.`, param }
  }
  if (error.keyword === unsupportedKeyword) {
    const message = `Unsupported parameter: '${at}': ${String(error.schema)}.`
    return { code: 'unsupported_parameter', message, param: at }
  }
  const rule = describeRule(error)
  return at === ''
    ? { code: 'invalid_value', message: `Invalid request body: ${rule}.` }
    : { code: 'invalid_value', message: `Invalid value for '${at}': ${rule}.`, param: at }
}

function describeRule(error: ErrorObject): string {
  const limit = String(error.params['limit'])
  switch (error.keyword) {
    case 'enum': {
      const allowed: unknown = error.params['allowedValues']
      return `must be one of ${(Array.isArray(allowed) ? allowed : []).map((value) => `'${value}'`).join(', ')}`
    }
    case 'minLength':
      return limit === '1' ? 'must not be empty' : `must have at least ${limit} characters`
    case 'maxLength':
      return `must have at most ${limit} characters`
    case 'minItems':
      return limit === '1' ? 'must not be empty' : `must have at least ${limit} items`
    case 'maxItems':
      return `must have at most ${limit} items`
    case 'maxProperties':
      return `must have at most ${limit} entries`
    default:
      return error.message ?? 'is not valid'
  }
}

function expectedTypes(error: ErrorObject): readonly string[] {
  const type: unknown = error.params['type']
  return Array.isArray(type) ? type.map(String) : [String(type)]
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  integer: 'an integer',
  boolean: 'a boolean',
  object: 'an object',
  array: 'an array',
  null: 'null',
}

function nounOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a number'
  return nouns[typeof value] ?? typeof value
}

function join(words: readonly string[]): string {
  const last = words.at(-1) ?? 'something else'
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`
}

/** `/messages/0/content` → `messages[0].content` */
function toParam(pointer: string, prefix: string): string {
  let param = prefix
  for (const segment of segmentsOf(pointer))
    param = /^\d+$/.test(segment) ? `${param}[${segment}]` : child(param, segment)
  return param.slice(0, maxParamLength)
}

function child(param: string, name: string): string {
  return (param === '' ? name : `${param}.${name}`).slice(0, maxParamLength)
}

function segmentsOf(pointer: string): readonly string[] {
  return pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Positive when `a` lies further in than `b`. */
function comparePaths(a: string, b: string): number {
  const as = segmentsOf(a)
  const bs = segmentsOf(b)
  if (as.length !== bs.length) return as.length - bs.length
  for (const [place, segment] of as.entries()) {
    const difference = Number(segment) - Number(bs[place])
    if (difference > 0 || difference < 0) return difference
  }
  return 0
}
