/**
 * Every error a client, a job or a worker can meet, in one table.
 * `status` and `type` are OpenAI's (https://platform.openai.com/docs/guides/error-codes), so that their SDKs raise the
 * matching class. `retryable` is decided here once: a retryable failure of an upstream may be tried again by the worker.
 */
export interface ErrorKind {
  readonly status: number
  readonly type:
    | 'invalid_request_error'
    | 'authentication_error'
    | 'permission_error'
    | 'rate_limit_error'
    | 'server_error'
  readonly retryable: boolean
}

const invalid = (status: number): ErrorKind => ({ status, type: 'invalid_request_error', retryable: false })
const server = (status: number, retryable: boolean): ErrorKind => ({ status, type: 'server_error', retryable })

export const errorTable = {
  // The request
  invalid_json: invalid(400),
  invalid_value: invalid(400),
  missing_required_parameter: invalid(400),
  unknown_parameter: invalid(400),
  unsupported_parameter: invalid(400),
  context_length_exceeded: invalid(400),
  content_filter: invalid(400),
  cost_limit_exceeded: invalid(400),
  config_invalid: invalid(400),
  model_not_found: invalid(404),
  route_not_found: invalid(404),
  method_not_allowed: invalid(405),
  job_not_found: invalid(404),
  job_not_finished: invalid(409),
  job_gone: invalid(410),
  file_not_found: invalid(404),
  batch_not_found: invalid(404),
  response_not_found: invalid(404),
  delivery_not_found: invalid(404),
  worker_not_found: invalid(404),
  class_not_found: invalid(404),
  // The thing is in a state in which this cannot be done to it.
  conflict: invalid(409),
  // The key was used with another request.
  idempotency_mismatch: invalid(422),
  payload_too_large: invalid(413),
  unsupported_media_type: invalid(415),
  // The caller
  invalid_api_key: { status: 401, type: 'authentication_error', retryable: false },
  permission_denied: { status: 403, type: 'permission_error', retryable: false },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retryable: true },
  // As many jobs wait in the class as may.
  queue_full: { status: 429, type: 'rate_limit_error', retryable: true },
  // The upstream, as seen by a worker
  upstream_invalid_request: invalid(400),
  upstream_authentication: server(502, false),
  upstream_not_found: server(502, false),
  upstream_overloaded: server(503, true),
  upstream_error: server(502, true),
  upstream_unreachable: server(502, true),
  upstream_timeout: server(504, true),
  upstream_malformed: server(502, true),
  upstream_interrupted: server(502, true),
  output_too_large: server(502, false),
  // The queue
  attempts_exhausted: server(502, false),
  stream_interrupted: server(502, false),
  no_deployment: server(503, false),
  // Every deployment that could serve has its circuit open.
  circuit_open: server(503, true),
  // A cascade's cheaper model gave an answer that will not do.
  answer_rejected: server(502, false),
  job_cancelled: { status: 499, type: 'invalid_request_error', retryable: false },
  job_expired: server(504, false),
  service_unavailable: server(503, true),
  internal_error: server(500, false),
} as const satisfies Readonly<Record<string, ErrorKind>>

export type ErrorCode = keyof typeof errorTable

/** An error as data: what a job keeps and what travels between processes. */
export interface ErrorDetail {
  readonly code: ErrorCode
  readonly message: string
  /** The field of the request at fault, as a path such as `messages[0].content`. */
  readonly param?: string
  /** Seconds until another try makes sense, from an upstream's Retry-After or from our own backlog. */
  readonly retryAfterSeconds?: number
  /** The upstream's own status and code, kept for the record. */
  readonly upstream?: { readonly status?: number; readonly code?: string }
}

/** The one error class of inferq: branch on `code`, never on the message. */
export class InferqError extends Error {
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(detail: ErrorDetail, options?: { cause?: unknown }) {
    super(detail.message, options)
    this.name = 'InferqError'
    this.code = detail.code
    this.detail = detail
  }
}

export function isRetryable(code: ErrorCode): boolean {
  return errorTable[code].retryable
}

/** OpenAI's error envelope; `status` goes to the HTTP status line. */
export interface ErrorEnvelope {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string
  }
}

export function toEnvelope(detail: ErrorDetail): ErrorEnvelope {
  const kind = errorTable[detail.code]
  return { error: { message: detail.message, type: kind.type, param: detail.param ?? null, code: detail.code } }
}
