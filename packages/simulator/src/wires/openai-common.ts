import type { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Plan } from '../plan.ts'
import { hashText } from '../random.ts'
import type { Script } from '../script.ts'

export const fingerprint = 'fp_simulated'
export const jsonType = 'application/json'
export const eventStreamType = 'text/event-stream; charset=utf-8'
export const doneEvent = 'data: [DONE]\n\n'
export const malformedEvent =
  'data: {"id":"broken","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"cont\n\n'

/** OpenAI's error envelope. */
export function errorBody(error: RequestError): string {
  const { message, type, param, code } = error
  return JSON.stringify({ error: { message, type, param, code } })
}

/** Sends an error in OpenAI's form, or the body the script wants instead. */
export function refuseOpenAi(exchange: Exchange, error: RequestError): void {
  sendError(exchange, error, errorBody(error))
}

/**
 * Sends an error with its status, or the wire's own for it, and with Retry-After, unless the wire says that in its body;
 * or the body the script wants instead.
 */
export function sendError(
  exchange: Exchange,
  error: RequestError,
  body: string,
  options: { status?: number; headers?: readonly string[]; saysRetryAfter?: boolean } = {},
): void {
  const { status = error.status, saysRetryAfter = true } = options
  const headers = [...(options.headers ?? [])]
  if (saysRetryAfter && error.retryAfterS !== undefined) headers.push('retry-after', String(error.retryAfterS))
  if (exchange.headersSent) {
    exchange.cut('')
  } else if (error.body === undefined) {
    exchange.send(status, jsonType, body, headers)
  } else if (typeof error.body === 'string') {
    exchange.send(status, error.body.startsWith('<') ? 'text/html' : 'text/plain', error.body, headers)
  } else {
    exchange.send(status, jsonType, JSON.stringify(error.body), headers)
  }
}

/** The usage object, with what the script puts over it; undefined when it wants none. */
export function usageOf(plan: Plan, script: Script): Record<string, unknown> | undefined {
  if (script.noUsage === true) return undefined
  const { promptTokens, completionTokens, reasoningTokens } = plan
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: plan.cachedTokens ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
    ...script.usage,
  }
}

/** The script's log probability, or a believable one that always is the same for a token. */
export function logprobOf(token: string, { logprob }: Script, rank = 0): number {
  return (logprob ?? -((hashText(token) % 1_000) / 1_000 + 0.001)) - rank * 1.5
}
