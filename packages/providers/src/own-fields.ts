import { isObject, type JsonObject } from './json.ts'

/**
 * Fields inferq acts on itself, LiteLLM's among them. `service_tier` is our priority band: passed on, it would buy a tier at
 * the upstream or be refused by it; an operator who wants one there puts it into `defaults`.
 */
export const ownFields: readonly string[] = ['cache', 'service_tier', 'tags']

const own: ReadonlySet<string> = new Set(ownFields)

/** `mock_response` and its like ask LiteLLM for answers without a model: no upstream is to see them. */
export function isOwnField(name: string): boolean {
  return own.has(name) || name.startsWith('mock_')
}

/** Takes out of a body, in place, what is meant for inferq: fields of its own, and the tags in `metadata`. */
export function removeOwnFields(body: JsonObject): void {
  for (const name of Object.keys(body)) if (isOwnField(name)) delete body[name]
  const { metadata } = body
  if (!isObject(metadata) || !('tags' in metadata)) return
  const { tags: _, ...rest } = metadata
  if (Object.keys(rest).length > 0) body['metadata'] = rest
  else delete body['metadata']
}
