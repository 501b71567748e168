import type { JsonObject } from './json.ts'

/** Those of `defaults` the request does not already decide, be it under an alias. */
export function missingDefaults(
  request: Readonly<JsonObject>,
  defaults: Readonly<JsonObject>,
  ignored: readonly string[] = [],
): JsonObject {
  const missing: JsonObject = {}
  for (const [field, value] of Object.entries(defaults)) {
    const decided = [field, aliases[field] ?? field].some(
      (name) => request[name] !== undefined && request[name] !== null && !ignored.includes(name),
    )
    if (!decided) missing[field] = value
  }
  return missing
}

// OpenAI refuses a request with both.
const aliases: Readonly<Record<string, string>> = {
  max_tokens: 'max_completion_tokens',
  max_completion_tokens: 'max_tokens',
}
