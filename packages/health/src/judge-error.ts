import type { ErrorCode, ErrorDetail } from '@inferq/contracts'

/** What a call's end with an error says of its deployment. */
export type Judgement =
  /** It counts against it. */
  | { readonly kind: 'failure' }
  /** It works, but asks to be left alone for this long. */
  | { readonly kind: 'wait'; readonly waitMs: number }
  /** Nothing: the request's fault, or ours. */
  | { readonly kind: 'neutral' }

/** Daily quotas are told in hours; more than a day is a mistake of the upstream. */
const maxWaitMs = 24 * 3_600_000

/** `busy`: it works, but not for us now; only a Retry-After says anything about later. */
const meanings: Readonly<Record<ErrorCode, 'failure' | 'busy' | 'neutral'>> = {
  upstream_error: 'failure',
  upstream_unreachable: 'failure',
  upstream_timeout: 'failure',
  upstream_malformed: 'failure',
  upstream_interrupted: 'failure',
  upstream_authentication: 'failure',
  upstream_not_found: 'failure',
  upstream_overloaded: 'busy',
  rate_limit_exceeded: 'busy',
  upstream_invalid_request: 'neutral',
  context_length_exceeded: 'neutral',
  content_filter: 'neutral',
  output_too_large: 'neutral',
  answer_rejected: 'neutral',
  invalid_json: 'neutral',
  invalid_value: 'neutral',
  file_not_found: 'neutral',
  batch_not_found: 'neutral',
  response_not_found: 'neutral',
  delivery_not_found: 'neutral',
  worker_not_found: 'neutral',
  class_not_found: 'neutral',
  conflict: 'neutral',
  idempotency_mismatch: 'neutral',
  missing_required_parameter: 'neutral',
  unknown_parameter: 'neutral',
  unsupported_parameter: 'neutral',
  cost_limit_exceeded: 'neutral',
  config_invalid: 'neutral',
  model_not_found: 'neutral',
  route_not_found: 'neutral',
  method_not_allowed: 'neutral',
  job_not_found: 'neutral',
  job_not_finished: 'neutral',
  job_gone: 'neutral',
  payload_too_large: 'neutral',
  unsupported_media_type: 'neutral',
  invalid_api_key: 'neutral',
  permission_denied: 'neutral',
  queue_full: 'neutral',
  attempts_exhausted: 'neutral',
  stream_interrupted: 'neutral',
  no_deployment: 'neutral',
  circuit_open: 'neutral',
  job_cancelled: 'neutral',
  job_expired: 'neutral',
  service_unavailable: 'neutral',
  internal_error: 'neutral',
}

export function judgeError({ code, retryAfterSeconds = 0 }: ErrorDetail): Judgement {
  const meaning = meanings[code]
  switch (meaning) {
    case 'failure':
      return { kind: 'failure' }
    case 'busy':
      return retryAfterSeconds > 0
        ? { kind: 'wait', waitMs: Math.min(Math.ceil(retryAfterSeconds * 1_000), maxWaitMs) }
        : { kind: 'neutral' }
    case 'neutral':
      return { kind: 'neutral' }
    default:
      return meaning satisfies never
  }
}
