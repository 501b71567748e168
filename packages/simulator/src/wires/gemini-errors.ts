import { type RequestError, type Wording, wordsFor } from '../errors.ts'
import type { Refuse } from '../playback.ts'
import { sendError } from './openai-common.ts'

// https://cloud.google.com/apis/design/errors and https://ai.google.dev/gemini-api/docs/troubleshooting
const statusNames: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

const wording: Wording = {
  context_length_exceeded: ({ overrun }) => {
    const { promptTokens, maxTokens, contextTokens } = overrun ?? {
      promptTokens: 1_200_293,
      maxTokens: 0,
      contextTokens: 1_048_576,
    }
    const tokens = promptTokens > contextTokens ? promptTokens : promptTokens + maxTokens
    return `The input token count (${tokens}) exceeds the maximum number of tokens allowed (${contextTokens}).`
  },
  invalid_api_key: 'API key not valid. Please pass a valid API key.',
  rate_limit_exceeded: 'You exceeded your current quota, please check your plan and billing details.',
  500: 'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
  503: 'The model is overloaded. Please try again later.',
}

/** Google's error envelope. When to try again stands in it, and not in a header. */
export function geminiErrorBody(error: RequestError): string {
  const code = statusOf(error)
  const status = statusNames[code] ?? (code < 500 ? 'FAILED_PRECONDITION' : 'UNKNOWN')
  const details = detailsOf(error)
  return JSON.stringify({
    error: { code, message: wordsFor(error, wording), status, ...(details.length > 0 ? { details } : {}) },
  })
}

export const refuseGemini: Refuse = (exchange, error) => {
  sendError(exchange, error, geminiErrorBody(error), { status: statusOf(error), saysRetryAfter: false })
}

/** A wrong key is an invalid argument to Google. */
function statusOf(error: RequestError): number {
  return error.code === 'invalid_api_key' && !error.scripted ? 400 : error.status
}

function detailsOf({ code, retryAfterS }: RequestError): unknown[] {
  const type = 'type.googleapis.com/google.rpc'
  return [
    ...(code === 'invalid_api_key'
      ? [{ '@type': `${type}.ErrorInfo`, reason: 'API_KEY_INVALID', domain: 'googleapis.com' }]
      : []),
    ...(retryAfterS === undefined ? [] : [{ '@type': `${type}.RetryInfo`, retryDelay: `${retryAfterS}s` }]),
  ]
}
