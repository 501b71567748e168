import type { Fault } from './script.ts'

/** A call that asked for more tokens than the context holds. */
export interface Overrun {
  readonly promptTokens: number
  readonly maxTokens: number
  readonly contextTokens: number
}

/** A call that is answered with an error, before the wire has given it its form. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number
  readonly type: string
  readonly code: string | null
  readonly param: string | null
  readonly retryAfterS: number | undefined
  /** Instead of the wire's error form. */
  readonly body: unknown
  /** The numbers behind `context_length_exceeded`, which each vendor words in its own way. */
  readonly overrun: Overrun | undefined
  /** Set when a script asked for this error: then its status is sent as it is. */
  readonly scripted: boolean
  /** Set when the message is the script's own: then no wire puts its own words over it. */
  readonly worded: boolean

  constructor(
    status: number,
    message: string,
    details: {
      type?: string
      code?: string
      param?: string
      retryAfterS?: number | undefined
      body?: unknown
      overrun?: Overrun
      scripted?: boolean
      worded?: boolean
    } = {},
  ) {
    super(message)
    this.status = status
    this.type = details.type ?? typeForStatus(status)
    this.code = details.code ?? null
    this.param = details.param ?? null
    this.retryAfterS = details.retryAfterS
    this.body = details.body
    this.overrun = details.overrun
    this.scripted = details.scripted ?? false
    this.worded = details.worded ?? false
  }
}

export function invalidField(param: string, problem: string): RequestError {
  return new RequestError(400, `Invalid '${param}': ${problem}.`, { param })
}

// What OpenAI, vLLM and Ollama say in these cases.
const known: Readonly<Record<string, { readonly message: string; readonly type?: string; readonly param?: string }>> = {
  context_length_exceeded: {
    message: "This model's maximum context length was exceeded. Please reduce the length of the messages.",
    param: 'messages',
  },
  content_policy_violation: { message: 'The request was rejected as a result of the safety system.' },
  content_filter: { message: "The response was filtered due to the prompt triggering the content policy's filters." },
  rate_limit_exceeded: { message: 'Rate limit reached. Please try again later.', type: 'requests' },
  insufficient_quota: {
    message: 'You exceeded your current quota, please check your plan and billing details.',
    type: 'insufficient_quota',
  },
}

const byStatus: Readonly<Record<number, { readonly message: string; readonly code?: string }>> = {
  400: { message: 'The request was refused.' },
  401: { message: 'Incorrect API key provided.', code: 'invalid_api_key' },
  403: { message: 'You are not allowed to use this model.' },
  404: { message: 'The model does not exist.', code: 'model_not_found' },
  429: { message: 'Rate limit reached. Please try again later.', code: 'rate_limit_exceeded' },
  500: { message: 'The server had an error while processing your request.' },
  503: { message: 'The engine is currently overloaded, please try again later.' },
}

/** The error a scripted fault stands for. */
export function errorForFault(fault: Fault): RequestError {
  const general = byStatus[fault.status] ?? { message: `Simulated fault with status ${fault.status}.` }
  const code = fault.code ?? general.code
  const special = code === undefined ? undefined : known[code]
  return new RequestError(fault.status, fault.message ?? special?.message ?? general.message, {
    ...(special?.type === undefined ? {} : { type: special.type }),
    ...(special?.param === undefined ? {} : { param: special.param }),
    ...(code === undefined ? {} : { code }),
    retryAfterS: fault.retryAfterS,
    body: fault.body,
    scripted: true,
    worded: fault.message !== undefined,
  })
}

/** The error of a prompt that a content filter blocks. */
export function filteredPrompt(): RequestError {
  return new RequestError(400, known['content_filter']?.message ?? '', { code: 'content_filter', param: 'prompt' })
}

/** The error of a call that asks for more than the context holds, in vLLM's words. */
export function contextOverrun(overrun: Overrun): RequestError {
  const { promptTokens, maxTokens, contextTokens } = overrun
  return new RequestError(
    400,
    `This model's maximum context length is ${contextTokens} tokens. However, you requested ` +
      `${promptTokens + maxTokens} tokens (${promptTokens} in the messages, ${maxTokens} in the completion).`,
    { code: 'context_length_exceeded', param: 'messages', overrun },
  )
}

/** A vendor's words for an error, by its code or else its status; the message itself where it has none. */
export type Wording = Readonly<Record<string, string | ((error: RequestError) => string)>>

/** What the vendor says: the script's words, else the wording's, else the error's own. */
export function wordsFor(error: RequestError, wording: Wording): string {
  const words = error.worded ? undefined : (wording[error.code ?? ''] ?? wording[error.status])
  if (words === undefined) return error.message
  return typeof words === 'string' ? words : words(error)
}

function typeForStatus(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  if (status === 503) return 'service_unavailable_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}
