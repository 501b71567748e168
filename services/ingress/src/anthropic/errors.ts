import { type ErrorDetail, errorTable } from '@inferq/contracts'
import { event } from './message-encoder.ts'

/** An error as Anthropic's clients know it. `details` is theirs for a code; ours go there. */
export interface AnthropicError {
  readonly type: 'error'
  readonly error: {
    readonly type: string
    readonly message: string
    readonly details: { readonly error_code: string; readonly param?: string }
  }
  readonly request_id: string
}

/**
 * The status under which an error goes out: ours, but for one. That every place is taken is 529 there, a class of its own in
 * their SDKs. They try again after 408, 409, 429 and everything from 500 on, so a 503 and a 529 are tried alike.
 */
export function anthropicStatus(code: ErrorDetail['code']): number {
  return code === 'upstream_overloaded' || code === 'circuit_open' ? 529 : errorTable[code].status
}

export function toAnthropicError(detail: ErrorDetail, requestId: string): AnthropicError {
  const { code, message, param } = detail
  const details = { error_code: code, ...(param === undefined ? {} : { param }) }
  return { type: 'error', error: { type: typeOf(anthropicStatus(code)), message, details }, request_id: requestId }
}

/** An error inside a stream: SDKs raise it. Nothing follows. */
export function encodeAnthropicError(detail: ErrorDetail, requestId: string): string {
  const { type, ...fields } = toAnthropicError(detail, requestId)
  return event(type, fields)
}

/** https://docs.claude.com/en/api/errors */
const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  410: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

function typeOf(status: number): string {
  return types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
}
