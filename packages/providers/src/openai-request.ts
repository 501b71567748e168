import { isObject, type JsonObject } from './json.ts'
import type { Upstream } from './port.ts'

/**
 * Fields inferq acts on itself. `service_tier` is our priority band: passed on, it would buy a tier at the upstream or be
 * refused by it; an operator who wants one there puts it into `defaults`.
 */
const ownFields: readonly string[] = ['cache', 'service_tier']

/**
 * The body for an OpenAI-compatible upstream: the client's, with the upstream's model, its defaults where the client said
 * nothing, and without what is meant for inferq. Unknown fields stay.
 */
export function openAIBody(
  upstream: Pick<Upstream, 'model' | 'defaults'>,
  request: Readonly<JsonObject>,
  stream: boolean | undefined,
): JsonObject {
  const body: JsonObject = { ...request }
  for (const field of ownFields) delete body[field]
  Object.assign(body, missingDefaults(request, upstream.defaults ?? {}, ownFields))
  body['model'] = upstream.model
  delete body['stream']
  delete body['stream_options']
  if (stream === true) {
    const streamOptions = request['stream_options']
    body['stream'] = true
    body['stream_options'] = { ...(isObject(streamOptions) ? streamOptions : {}), include_usage: true }
  }
  return body
}

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

/** How many choices the request asks for. */
export function choicesAsked(request: Readonly<JsonObject>): number {
  const { n, prompt } = request
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(prompt.length, 1) : 1
  return (typeof n === 'number' && Number.isInteger(n) && n > 0 ? n : 1) * prompts
}
