import { type RequestError, type Wording, wordsFor } from '../errors.ts'
import type { Refuse } from '../playback.ts'
import { sendError } from './openai-common.ts'

// https://docs.cohere.com/reference/errors
const wording: Wording = {
  context_length_exceeded: ({ overrun }) => {
    const { promptTokens, maxTokens, contextTokens } = overrun ?? {
      promptTokens: 4_292,
      maxTokens: 0,
      contextTokens: 4_081,
    }
    const tokens = promptTokens > contextTokens ? promptTokens : promptTokens + maxTokens
    return (
      `too many tokens: total number of tokens in the prompt cannot exceed ${contextTokens} - received ${tokens}. ` +
      'Try using a shorter prompt, or enabling prompt truncating. See https://docs.cohere.com/reference/chat for more details.'
    )
  },
  invalid_api_key: 'invalid api token',
  model_not_found: 'model not found, make sure the correct model ID was used and that you have access to the model.',
  rate_limit_exceeded:
    'You are using a Trial key, which is limited to 20 API calls / minute. You can continue to use the Trial key for ' +
    "free or upgrade to a Production key with higher rate limits at 'https://dashboard.cohere.com/api-keys'.",
  500: 'internal server error, this has been reported to our developers. id simulated',
}

export function cohereMessage(error: RequestError): string {
  return wordsFor(error, wording)
}

/** Cohere's error form: a message, and nothing to tell errors apart but the status. */
export const refuseCohere: Refuse = (exchange, error) => {
  sendError(exchange, error, JSON.stringify({ id: 'simulated', message: cohereMessage(error) }))
}
