import { type ErrorCode, type ErrorDetail, InferqError } from '@inferq/contracts'
import { isObject, type JsonObject } from './json.ts'

const longestMessage = 2_000

/** What an upstream said went wrong, whatever form it chose. */
export interface UpstreamFailure {
  readonly status?: number
  readonly message?: string
  readonly code?: string
  readonly type?: string
  readonly param?: string
}

/** What the reader of an error must not learn, and what goes with it. */
export interface FailureContext {
  /** Texts taken out of the upstream's message. */
  readonly secrets: readonly string[]
  readonly retryAfterSeconds?: number
}

/**
 * Reads an error body: OpenAI's envelope (vLLM's, most cousins'), a list of one (Gemini), a bare text under `error` (Ollama),
 * vLLM's older flat object, FastAPI's `detail`. Anything else, such as a proxy's page, says nothing.
 */
export function parseFailure(body: unknown, status?: number): UpstreamFailure {
  const found = readFailure(body)
  // vLLM puts the status into `code`; in a stream it is the only one there is.
  const code = found['code']
  const ownStatus = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined
  const effective = status ?? ownStatus
  return {
    ...(effective === undefined ? {} : { status: effective }),
    ...textField('message', found['message']),
    ...textField('code', code),
    ...textField('type', found['type']),
    ...textField('param', found['param']),
  }
}

function readFailure(body: unknown): JsonObject {
  if (Array.isArray(body)) return readFailure(body[0])
  if (!isObject(body)) return {}
  const { error, detail } = body
  if (typeof error === 'string') return { message: error }
  if (isObject(error)) return error
  if (typeof detail === 'string') return { message: detail }
  if (Array.isArray(detail) && isObject(detail[0])) {
    return { message: detail[0]['msg'], param: pathOf(detail[0]['loc']) }
  }
  return body
}

/** `["body", "messages", 0, "role"]` → `messages[0].role` */
function pathOf(location: unknown): string | undefined {
  if (!Array.isArray(location)) return undefined
  const path = location
    .filter((step, index) => index > 0 || step !== 'body')
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
  return path.replace(/^\./, '')
}

function textField<Name extends string>(name: Name, value: unknown): { readonly [Key in Name]?: string } {
  return typeof value === 'string' && value !== '' ? ({ [name]: value } as { [Key in Name]: string }) : {}
}

/** True when a 200 answer, or an event of a stream, is an error after all. */
export function isFailure(body: JsonObject): boolean {
  const { error } = body
  return (error !== undefined && error !== null) || body['object'] === 'error'
}

/** The error a failure stands for; the one place where upstreams' answers become our codes. */
export function toError(failure: UpstreamFailure, context: FailureContext): InferqError {
  const code = codeFor(failure)
  const upstream = {
    ...(failure.status === undefined ? {} : { status: failure.status }),
    ...(failure.code === undefined ? {} : { code: clean(failure.code, context.secrets) }),
  }
  const detail: ErrorDetail = {
    code,
    message: messageFor(code, failure, context.secrets),
    ...(failure.param === undefined || !paramCodes.has(code) ? {} : { param: failure.param }),
    ...(context.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: context.retryAfterSeconds }),
    ...(Object.keys(upstream).length === 0 ? {} : { upstream }),
  }
  return new InferqError(detail)
}

const paramCodes: ReadonlySet<ErrorCode> = new Set([
  'upstream_invalid_request',
  'context_length_exceeded',
  'content_filter',
])

function codeFor(failure: UpstreamFailure): ErrorCode {
  const { status } = failure
  const named = codeForName(failure.code) ?? codeForName(failure.type)
  if (status === undefined) return named ?? 'upstream_error'
  if (status === 429) return 'rate_limit_exceeded'
  if (status === 503 || status === 529) return 'upstream_overloaded'
  if (status === 408 || status === 504) return 'upstream_timeout'
  if (status >= 500) return 'upstream_error'
  if (named === 'context_length_exceeded' || named === 'content_filter') return named
  // 402: the account behind the key is out of money; as with a wrong key, only the operator can help.
  if (status === 401 || status === 402 || status === 403) return 'upstream_authentication'
  // A redirect is not followed: it would take the key elsewhere. The address is wrong.
  if (status === 404 || (status >= 300 && status < 400)) return 'upstream_not_found'
  if (isAboutLength(failure.message)) return 'context_length_exceeded'
  return 'upstream_invalid_request'
}

const codeOfName: Readonly<Record<string, ErrorCode>> = {
  context_length_exceeded: 'context_length_exceeded',
  context_window_exceeded: 'context_length_exceeded',
  exceed_context_size_error: 'context_length_exceeded',
  string_above_max_length: 'context_length_exceeded',
  content_filter: 'content_filter',
  content_policy_violation: 'content_filter',
  moderation_blocked: 'content_filter',
  rate_limit_exceeded: 'rate_limit_exceeded',
  rate_limit_error: 'rate_limit_exceeded',
  insufficient_quota: 'rate_limit_exceeded',
  overloaded_error: 'upstream_overloaded',
  service_unavailable_error: 'upstream_overloaded',
  authentication_error: 'upstream_authentication',
  permission_error: 'upstream_authentication',
  invalid_api_key: 'upstream_authentication',
  not_found_error: 'upstream_not_found',
  model_not_found: 'upstream_not_found',
  invalid_request_error: 'upstream_invalid_request',
  BadRequestError: 'upstream_invalid_request',
}

function codeForName(name: string | undefined): ErrorCode | undefined {
  return name !== undefined && Object.hasOwn(codeOfName, name) ? codeOfName[name] : undefined
}

/**
 * vLLM, Ollama, llama.cpp and TGI refuse a prompt that is too long without a code of its own: only the words tell.
 * "maximum context length is 4096 tokens", "the input length exceeds the context length", "exceeds the available context
 * size", "prompt is too long", "longer than the maximum model length".
 */
function isAboutLength(message: string | undefined): boolean {
  return message !== undefined && lengthPattern.test(message)
}
const lengthPattern =
  /(maximum|max|exceeds?|exceeded)\b.{0,60}\bcontext (length|size|window)|context (length|size|window) .{0,20}exceed|prompt is too long|longer than the maximum model length|maximum model length/i

function messageFor(code: ErrorCode, failure: UpstreamFailure, secrets: readonly string[]): string {
  // Upstreams quote the key they refuse, in part or whole: their words stay there.
  if (code === 'upstream_authentication') return 'The upstream refused our credentials.'
  const said = failure.message === undefined ? '' : clean(failure.message, secrets)
  switch (code) {
    case 'upstream_invalid_request':
    case 'context_length_exceeded':
    case 'content_filter':
      return said === '' ? 'The upstream refused the request.' : said
    case 'rate_limit_exceeded':
      return withReason('The upstream is limiting our requests', said)
    case 'upstream_overloaded':
      return withReason('The upstream has no room', said)
    case 'upstream_not_found':
      return withReason('The upstream does not know this model or address', said)
    default:
      return withReason(
        failure.status === undefined ? 'The upstream failed' : `The upstream answered ${failure.status}`,
        said,
      )
  }
}

function withReason(what: string, said: string): string {
  return said === '' ? `${what}.` : `${what}: ${said}`
}

/** Without our secrets, without anything that looks like a key, and not longer than a message should be. */
function clean(text: string, secrets: readonly string[]): string {
  let cleaned = text
  for (const secret of secrets) cleaned = cleaned.replaceAll(secret, '***')
  cleaned = cleaned.replace(/\b(sk|gsk|xai|hf|pplx|nvapi)[-_][\w*-]{8,}/g, '***')
  return cleaned.length > longestMessage ? `${cleaned.slice(0, longestMessage)}…` : cleaned
}
