import { isObject, type JsonObject } from '../json.ts'

/**
 * Lays fields the SDK has no name for into the body it made: what a client sent for this very upstream
 * (`safetySettings`, `documents`, …). An object is joined with the SDK's, one level deep; anything else replaces nothing
 * the SDK has set.
 */
export function withExtraFields(body: string, extra: Readonly<JsonObject>): string {
  if (Object.keys(extra).length === 0) return body
  const merged: JsonObject = JSON.parse(body)
  for (const [name, value] of Object.entries(extra)) {
    const own = merged[name]
    if (own === undefined) merged[name] = value
    else if (isObject(own) && isObject(value)) merged[name] = { ...value, ...own }
  }
  return JSON.stringify(merged)
}
