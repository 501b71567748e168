import {
  AnthropicAnswer,
  AnthropicErrorResponse,
  CountTokensRequest,
  type ErrorCode,
  JobView,
  MessagesRequest,
  TokenCount,
} from '@inferq/contracts'
import { anthropicStatus, toAnthropicError } from '../anthropic/errors.ts'
import { described, withExample } from './responses.ts'

const tags = ['Anthropic']

/** Failures under the status that Anthropic's clients get, each with an example in their envelope. */
function failures(
  ...given: readonly (readonly [code: ErrorCode, message: string, param?: string])[]
): Record<number, object> {
  return Object.fromEntries(
    given.map(([code, message, param]) => {
      const example = toAnthropicError({ code, message, ...(param === undefined ? {} : { param }) }, 'req_…')
      return [anthropicStatus(code), { ...AnthropicErrorResponse, description: message, examples: [example] }]
    }),
  )
}

const refusals = failures(
  ['missing_required_parameter', "Missing required parameter: 'max_tokens'.", 'max_tokens'],
  ['invalid_api_key', 'Incorrect API key provided.'],
  ['model_not_found', "The model 'x' does not exist or you do not have access to it.", 'model'],
  ['payload_too_large', 'The body of the request is too large.'],
)

const example = {
  model: 'llama3.1',
  max_tokens: 1024,
  system: 'Be brief.',
  messages: [{ role: 'user', content: 'Say hello.' }],
}

export const anthropicDocs = {
  messages: {
    operationId: 'createMessage',
    summary: "A message in Anthropic's dialect, streamed or not",
    description: [
      'For Anthropic’s SDKs and the coding agents built on them, with any model. `anthropic-version` and `anthropic-beta` are accepted and not needed.',
      'Blocks: text, images, documents (PDF by content or address, text), `search_result`, `tool_use`, `tool_result`, `thinking`, `redacted_thinking`. Thoughts come without a signature where the model is no Claude. Tools that Anthropic’s own service runs, files kept there and citations are refused by name.',
      'Left out: `context_management`, `diagnostics`, `speed`, `user_profile_id`, `workspace_id`, `input_examples` and `eager_input_streaming` of tools. Fields that are not listed are passed on.',
      'Errors have Anthropic’s envelope, with our code in `error.details.error_code`. A stream that waits has comments such as `: queued position=3 eta_s=4.2`.',
    ].join('\n\n'),
    tags,
    response: {
      200: described(AnthropicAnswer, 'The message; with `stream: true` its events.'),
      202: described(
        JobView,
        'With `Prefer: respond-async`: accepted as an asynchronous job, whose result is a chat completion.',
      ),
      ...refusals,
      ...failures(
        ['idempotency_mismatch', 'This Idempotency-Key was used with another request.', 'Idempotency-Key'],
        ['permission_denied', "The header 'x-inferq-tenant' needs an administrator key.", 'x-inferq-tenant'],
        ['queue_full', "The queue of 'llama3.1' is full: 10000 requests wait. Try again in 12 s."],
        ['upstream_error', 'The upstream failed.'],
        ['service_unavailable', 'The queue is not available.'],
        ['job_expired', 'The request was not finished within 600 s.'],
        ['upstream_overloaded', 'Every place is taken.'],
      ),
    },
  },
  countTokens: {
    operationId: 'countMessageTokens',
    summary: 'About how many tokens a message would have to read',
    description: 'An estimate that knows no vocabulary, of texts, tools and images. Calls no model.',
    tags,
    response: { 200: described(TokenCount, 'The estimate.'), ...refusals },
  },
} as const

export const anthropicBodies = {
  messages: withExample(MessagesRequest, example),
  countTokens: withExample(CountTokensRequest, { model: example.model, messages: example.messages }),
} as const
