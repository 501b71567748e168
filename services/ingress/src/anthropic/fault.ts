import { InferqError } from '@inferq/contracts'

/** A field of a request by its path, such as `messages[0].content[1].source`; its messages are those of the schemas. */
export function invalid(param: string, rule: string): InferqError {
  return new InferqError({ code: 'invalid_value', message: `Invalid value for '${param}': ${rule}.`, param })
}

export function missing(param: string): InferqError {
  const message = `Missing required parameter: '${param}'.`
  return new InferqError({ code: 'missing_required_parameter', message, param })
}

/** Something of Anthropic's own service that no job can do. Left out in silence it would change the answer. */
export function unsupported(param: string, rule: string): InferqError {
  return new InferqError({
    code: 'unsupported_parameter',
    message: `Unsupported value for '${param}': ${rule}.`,
    param,
  })
}

/** A text that a block must have. */
export function requiredText(block: Readonly<Record<string, unknown>>, field: string, path: string): string {
  const value = block[field]
  if (typeof value === 'string') return value
  throw value === undefined || value === null
    ? missing(`${path}.${field}`)
    : invalid(`${path}.${field}`, 'must be a string')
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isVoid(value: unknown): value is null | undefined {
  return value === null || value === undefined
}
