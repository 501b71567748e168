import { InferqError } from '@inferq/contracts'

export type JsonObject = Record<string, unknown>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Nothing a reader would miss: null, undefined, or an object or list without content. */
export function isVoid(value: unknown): boolean {
  if (value === null || value === undefined) return true
  if (typeof value !== 'object') return false
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0
}

/** No honest answer comes near it, and everything that walks through one may be recursive. */
const maxDepth = 200

/**
 * An object from an upstream. Throws `upstream_malformed` for anything else, and for one that is nested too deeply; the text
 * itself is not quoted.
 */
export function parseUpstreamObject(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw malformed('The upstream sent something that is not JSON.', cause)
  }
  if (!isObject(value)) throw malformed('The upstream sent JSON that is not an object.')
  // A level takes at least two characters: most chunks of a stream are too short to be looked at.
  if (text.length > 2 * maxDepth && isDeeper(value, maxDepth)) {
    throw malformed(`The upstream sent JSON of more than ${maxDepth} levels.`)
  }
  return value
}

function isDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true
  const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  return parts.some((part) => typeof part === 'object' && part !== null && isDeeper(part, levels - 1))
}

export function malformed(message: string, cause?: unknown): InferqError {
  return new InferqError({ code: 'upstream_malformed', message }, cause === undefined ? undefined : { cause })
}

/** The request is not one this upstream can serve; `param` is the path of the field at fault. */
export function refused(param: string, message: string): InferqError {
  return new InferqError({ code: 'upstream_invalid_request', message, param })
}
