import type { RetryKind } from '@inferq/config'
import type { ErrorCode } from '@inferq/contracts'

/** Under which of the configuration's numbers of attempts a failure falls; undefined: under none. */
export function retryKindOf(code: ErrorCode): RetryKind | undefined {
  return kinds[code]
}

const kinds: Readonly<Partial<Record<ErrorCode, RetryKind>>> = {
  upstream_timeout: 'timeout',
  upstream_overloaded: 'rate_limit',
  rate_limit_exceeded: 'rate_limit',
  content_filter: 'content_policy',
  upstream_error: 'server',
  upstream_unreachable: 'server',
  upstream_malformed: 'server',
  upstream_interrupted: 'server',
  upstream_authentication: 'authentication',
  upstream_invalid_request: 'bad_request',
  upstream_not_found: 'bad_request',
  context_length_exceeded: 'bad_request',
}
