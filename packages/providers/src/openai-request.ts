import type { ProviderQuirks } from '@inferq/config'
import { withoutClaudeFields } from './claude-fields.ts'
import { messagesForRest, requestForRest } from './continuation.ts'
import { isObject, type JsonObject } from './json.ts'
import { quirksOf, takesStreamOptions } from './openai-address.ts'
import { ownFields, removeOwnFields } from './own-fields.ts'
import type { Upstream } from './port.ts'
import { missingDefaults } from './request-defaults.ts'

/** Fields of Anthropic's API that OpenAI refuses, and that only ask how much to think. */
const unknownToOpenAI: readonly string[] = ['thinking']

type BodyUpstream = Pick<Upstream, 'provider' | 'model' | 'baseUrl' | 'defaults' | 'credentials'>

export interface BodyOptions {
  /** Absent: the route knows no streams. */
  readonly stream?: boolean
  /** The model's name over there, where it is not the upstream's. */
  readonly model?: string | undefined
  /** The answer's beginning, to go on after. */
  readonly given?: string | undefined
}

/**
 * The body for an OpenAI-compatible upstream: the client's, with the upstream's model, its defaults where the client said
 * nothing, without what is meant for inferq, and as the provider's quirks want it. Unknown fields stay.
 */
export function openAIBody(upstream: BodyUpstream, request: Readonly<JsonObject>, options: BodyOptions): JsonObject {
  const { stream, given } = options
  const defaults = upstream.defaults ?? {}
  const quirks = quirksOf(upstream.provider)
  const asked = given === undefined ? request : requestForRest(request, defaults, given)
  const body: JsonObject = quirks.keepsClaudeFields ? { ...asked } : withoutClaudeFields(asked)
  if (isOpenAIItself(upstream)) for (const field of unknownToOpenAI) delete body[field]
  removeOwnFields(body)
  Object.assign(body, missingDefaults(asked, defaults, ownFields))
  body['model'] = options.model ?? upstream.model
  // Where the client has a field it is overwritten, not deleted: V8 would make a slow dictionary of the body.
  if (stream === true) body['stream'] = true
  else if ('stream' in body) delete body['stream']
  if (stream === true && takesStreamOptions(upstream)) {
    const streamOptions = request['stream_options']
    body['stream_options'] = { ...(isObject(streamOptions) ? streamOptions : {}), include_usage: true }
  } else if ('stream_options' in body) delete body['stream_options']
  if (given !== undefined) continueBody(body, quirks, given)
  applyQuirks(body, quirks)
  return body
}

/** Adds the answer's beginning in the words of the provider. */
function continueBody(body: JsonObject, quirks: ProviderQuirks, given: string): void {
  switch (quirks.continues) {
    case 'continue_final_message': {
      const isGiven = body['continue_final_message'] === true
      body['messages'] = messagesForRest(body['messages'], given, () => isGiven, {})
      body['continue_final_message'] = true
      body['add_generation_prompt'] = false
      delete body['echo']
      return
    }
    case 'prefix_flag':
      body['messages'] = messagesForRest(body['messages'], given, (last) => last['prefix'] === true, { prefix: true })
      return
    case 'trailing_message':
      body['messages'] = messagesForRest(body['messages'], given, () => true, {})
      return
    case undefined:
      return
  }
}

function applyQuirks(body: JsonObject, quirks: ProviderQuirks): void {
  const { maxTokensField: field, maxTokensFieldModels: models } = quirks
  if (field !== undefined && (models === undefined || models.test(String(body['model'])))) {
    rename(body, field === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens', field)
  }
  for (const [name, theirs] of Object.entries(quirks.renameFields ?? {})) rename(body, name, theirs)
  for (const name of quirks.dropFields ?? []) delete body[name]
  const { dropMessageFields } = quirks
  if (dropMessageFields !== undefined && Array.isArray(body['messages'])) {
    body['messages'] = body['messages'].map((message: unknown) => without(message, dropMessageFields))
  }
}

/** What is there under the name they know wins. */
function rename(body: JsonObject, name: string, theirs: string): void {
  const value = body[name]
  delete body[name]
  if (value !== undefined && value !== null) body[theirs] ??= value
}

function without(message: unknown, fields: readonly string[]): unknown {
  if (!isObject(message) || !fields.some((field) => field in message)) return message
  return Object.fromEntries(Object.entries(message).filter(([name]) => !fields.includes(name)))
}

/** Under its name there may be any server with a base URL of its own. */
function isOpenAIItself({ provider, baseUrl }: BodyUpstream): boolean {
  return provider === 'azure' || (provider === 'openai' && /^https:\/\/api\.openai\.com(?=[:/]|$)/i.test(baseUrl))
}

/** How many choices the request asks for. */
export function choicesAsked(request: Readonly<JsonObject>): number {
  const { n, prompt } = request
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(prompt.length, 1) : 1
  return (typeof n === 'number' && Number.isInteger(n) && n > 0 ? n : 1) * prompts
}
