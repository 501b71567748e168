import { type ErrorCode, type ErrorDetail, InferqError } from '@inferq/contracts'
import { codeByWords, vendorCodes } from './failure-names.ts'
import { isObject, type JsonObject } from './json.ts'

const longestMessage = 2_000

/** What an upstream said went wrong, whatever form it chose. */
export interface UpstreamFailure {
  readonly status?: number
  readonly message?: string
  readonly code?: string
  readonly type?: string
  readonly param?: string
  /** Said in the body, as Google does. */
  readonly retryAfterSeconds?: number
}

/** What the reader of an error must not learn, and what goes with it. */
export interface FailureContext {
  /** Texts taken out of the upstream's message. */
  readonly secrets: readonly string[]
  readonly retryAfterSeconds?: number
}

/**
 * Reads an error body: OpenAI's envelope (vLLM's, most cousins'), a list of one (Gemini), a bare text under `error` (Ollama),
 * vLLM's older flat object, FastAPI's `detail` (Mistral's inside its `message`). Anything else, such as a proxy's page, says nothing.
 */
export function parseFailure(body: unknown, status?: number): UpstreamFailure {
  const found = withInner(readFailure(body))
  // vLLM puts the status into `code`; in a stream it is the only one there is.
  const code = found['code']
  const ownStatus = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined
  const effective = status ?? ownStatus
  return {
    ...(effective === undefined ? {} : { status: effective }),
    ...textField('message', found['message']),
    ...textField('code', code),
    // Google's `status` is such a name: RESOURCE_EXHAUSTED.
    ...textField('type', found['type'] ?? found['status']),
    ...textField('param', found['param']),
    ...readDetails(found['details']),
  }
}

function readFailure(body: unknown): JsonObject {
  if (Array.isArray(body)) return readFailure(body[0])
  if (!isObject(body)) return {}
  const { error, detail, message } = body
  if (typeof error === 'string') return { message: error, code: body['code'], type: body['error_type'] }
  if (isObject(error)) return error
  if (typeof detail === 'string') return { message: detail }
  if (isObject(detail)) return readFailure(detail)
  if (Array.isArray(detail) && isObject(detail[0])) {
    return { message: detail[0]['msg'], param: pathOf(detail[0]['loc']) }
  }
  return isObject(message) ? readFailure(message) : body
}

/**
 * What an error says of another one inside: Azure's `innererror` has the code that the outer one may lack; a broker's
 * (OpenRouter's) `metadata` tells why a moderator refused, or what the provider behind it said.
 */
function withInner(found: JsonObject): JsonObject {
  const { innererror: inner, metadata, message } = found
  if (isObject(inner) && codeForName(textOf(found['code'])) === undefined && codeForName(textOf(inner['code']))) {
    return { ...found, code: inner['code'] }
  }
  if (!isObject(metadata)) return found
  if (Array.isArray(metadata['reasons'])) return { ...found, type: 'moderation' }
  return typeof metadata['raw'] === 'string' ? { ...found, message: `${String(message)}: ${metadata['raw']}` } : found
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Google's details, where its `code` is only the status again: the reason, and when to come back (`retryDelay: "34.5s"`). */
function readDetails(details: unknown): Pick<UpstreamFailure, 'code' | 'retryAfterSeconds'> {
  if (!Array.isArray(details)) return {}
  const said: JsonObject = Object.assign({}, ...details.filter(isObject))
  const delay = typeof said['retryDelay'] === 'string' ? /^(\d+(?:\.\d+)?)s$/.exec(said['retryDelay'])?.[1] : undefined
  return {
    ...textField('code', said['reason']),
    ...(delay === undefined ? {} : { retryAfterSeconds: Math.min(Number(delay), 86_400) }),
  }
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
  const retryAfterSeconds = context.retryAfterSeconds ?? failure.retryAfterSeconds
  const upstream = {
    ...(failure.status === undefined ? {} : { status: failure.status }),
    ...(failure.code === undefined ? {} : { code: clean(failure.code, context.secrets) }),
  }
  const detail: ErrorDetail = {
    code,
    message: messageFor(code, failure, context.secrets),
    ...(failure.param === undefined || !paramCodes.has(code) ? {} : { param: failure.param }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
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
  if (status === undefined)
    return (isVague(named) ? codeByWords(failure.message ?? '') : named) ?? named ?? 'upstream_error'
  if (status === 429) {
    // An account out of money is no matter of time, a full engine no matter of our rate.
    return named === 'upstream_authentication' || named === 'upstream_overloaded' ? named : 'rate_limit_exceeded'
  }
  // 498: Groq's flex tier has no room.
  if (status === 503 || status === 529 || status === 498) return 'upstream_overloaded'
  // Groq's: more tokens than the account may send in a minute. It will not be less the next time.
  if (status === 413 && named === 'rate_limit_exceeded') return 'context_length_exceeded'
  if (status === 408 || status === 504) return 'upstream_timeout'
  // 424: Bedrock's model failed behind it.
  if (status >= 500 || status === 424) return 'upstream_error'
  if (named === 'context_length_exceeded' || named === 'content_filter') return named
  // 402: the account behind the key is out of money; as with a wrong key, only the operator can help.
  if (status === 401 || status === 402 || status === 403) return 'upstream_authentication'
  // A redirect is not followed: it would take the key elsewhere. The address is wrong.
  if (status === 404 || (status >= 300 && status < 400)) return 'upstream_not_found'
  if (named === 'upstream_authentication' || named === 'upstream_not_found') return named
  if (isAboutLength(failure.message)) return 'context_length_exceeded'
  return codeByWords(failure.message ?? '') ?? 'upstream_invalid_request'
}

function isVague(named: ErrorCode | undefined): boolean {
  return named === undefined || named === 'upstream_invalid_request'
}

const codeOfName: Readonly<Record<string, ErrorCode>> = {
  context_length_exceeded: 'context_length_exceeded',
  context_window_exceeded: 'context_length_exceeded',
  exceed_context_size_error: 'context_length_exceeded',
  string_above_max_length: 'context_length_exceeded',
  content_filter: 'content_filter',
  content_policy_violation: 'content_filter',
  moderation_blocked: 'content_filter',
  moderation: 'content_filter',
  // OpenAI's reasoning models; Azure; DashScope
  invalid_prompt: 'content_filter',
  ResponsibleAIPolicyViolation: 'content_filter',
  data_inspection_failed: 'content_filter',
  rate_limit_exceeded: 'rate_limit_exceeded',
  rate_limit_error: 'rate_limit_exceeded',
  rate_limit_reached_error: 'rate_limit_exceeded',
  // The account behind the key is out of money: OpenAI, Moonshot, DashScope
  insufficient_quota: 'upstream_authentication',
  billing_hard_limit_reached: 'upstream_authentication',
  exceeded_current_quota_error: 'upstream_authentication',
  Arrearage: 'upstream_authentication',
  overloaded_error: 'upstream_overloaded',
  engine_overloaded_error: 'upstream_overloaded',
  service_unavailable_error: 'upstream_overloaded',
  authentication_error: 'upstream_authentication',
  permission_error: 'upstream_authentication',
  invalid_api_key: 'upstream_authentication',
  not_found_error: 'upstream_not_found',
  model_not_found: 'upstream_not_found',
  invalid_model: 'upstream_not_found',
  invalid_request_error: 'upstream_invalid_request',
  BadRequestError: 'upstream_invalid_request',
  ...vendorCodes,
}

function codeForName(name: string | undefined): ErrorCode | undefined {
  return name !== undefined && Object.hasOwn(codeOfName, name) ? codeOfName[name] : undefined
}

/**
 * vLLM, Ollama, llama.cpp and TGI refuse a prompt that is too long without a code of its own: only the words tell.
 * "maximum context length is 4096 tokens", "the input length exceeds the context length", "exceeds the available context
 * size", "prompt is too long", "longer than the maximum model length", "maximum prompt length" (xAI), "`inputs` tokens +
 * `max_new_tokens` must be <=" (TGI, Together), "context length of only" (LM Studio), "reduce the length of the messages"
 * (OpenAI, Cerebras), LiteLLM's name of the error.
 */
function isAboutLength(message: string | undefined): boolean {
  return message !== undefined && lengthPattern.test(message)
}
const lengthPattern =
  /(maximum|max|exceeds?|exceeded)\b.{0,60}\bcontext (length|size|window)|context (length|size|window) .{0,20}exceed|prompt is too long|maximum (model|prompt) length|max_new_tokens`? must be|context length of only|reduce the length of the (messages|prompt|input)|ContextWindowExceededError/i

function messageFor(code: ErrorCode, failure: UpstreamFailure, secrets: readonly string[]): string {
  // Upstreams quote the key they refuse, in part or whole: their words stay there.
  if (code === 'upstream_authentication') return 'The upstream refused our credentials or our account.'
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
