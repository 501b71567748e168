import { type RequestError, type Wording, wordsFor } from '../errors.ts'
import type { Refuse } from '../playback.ts'
import { sendError } from './openai-common.ts'

// https://platform.claude.com/docs/en/api/errors
const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const wording: Wording = {
  context_length_exceeded: ({ overrun }) => {
    const { promptTokens, maxTokens, contextTokens } = overrun ?? {
      promptTokens: 213_462,
      maxTokens: 0,
      contextTokens: 200_000,
    }
    if (promptTokens > contextTokens) return `prompt is too long: ${promptTokens} tokens > ${contextTokens} maximum`
    return (
      `input length and \`max_tokens\` exceed context limit: ${promptTokens} + ${maxTokens} > ${contextTokens}, ` +
      'decrease input length or `max_tokens` and try again'
    )
  },
  content_filter: 'Output blocked by content filtering policy',
  content_policy_violation: 'Output blocked by content filtering policy',
  invalid_api_key: 'invalid x-api-key',
  rate_limit_exceeded: 'This request would exceed your organization’s rate limit. Please try again later.',
  insufficient_quota:
    'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
  500: 'Internal server error',
  529: 'Overloaded',
}

/** Anthropic's error envelope. */
export function anthropicErrorBody(error: RequestError): string {
  const known = types[statusOf(error)]
  const type = known ?? (error.status < 500 ? 'invalid_request_error' : 'api_error')
  const message = wordsFor(error, { ...wording, ...(isBusy(error) ? { [error.status]: 'Overloaded' } : {}) })
  return JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_simulated' })
}

export const refuseAnthropic: Refuse = (exchange, error) => {
  sendError(exchange, error, anthropicErrorBody(error), { status: statusOf(error) })
}

/** A full queue, which Anthropic calls overloaded and gives a status of its own. */
function isBusy(error: RequestError): boolean {
  return error.status === 503 && !error.scripted
}

function statusOf(error: RequestError): number {
  return isBusy(error) ? 529 : error.status
}
