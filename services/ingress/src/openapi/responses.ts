import { type ErrorCode, ErrorResponse, errorTable } from '@inferq/contracts'
import { type TSchema, Type } from 'typebox'

/** One failure a route may answer, with an example made from the table of errors. */
export function failure(code: ErrorCode, message: string, param: string | null = null): object {
  return {
    ...ErrorResponse,
    description: message,
    examples: [{ error: { message, type: errorTable[code].type, param, code } }],
  }
}

const commonFailures = {
  400: failure(
    'invalid_value',
    "Invalid type for 'messages': expected an array, but got a string instead.",
    'messages',
  ),
  401: failure('invalid_api_key', 'Incorrect API key provided.'),
  413: failure('payload_too_large', 'The body of the request is too large.'),
  415: failure('unsupported_media_type', 'Unsupported content type: send `application/json`.'),
  503: failure('service_unavailable', 'The queue is not available.'),
}

export const failures = {
  forQuestion: {
    ...commonFailures,
    404: failure('model_not_found', "The model 'x' does not exist or you do not have access to it.", 'model'),
    403: failure('permission_denied', "The header 'x-inferq-tenant' needs an administrator key.", 'x-inferq-tenant'),
    429: failure('queue_full', "The queue of 'llama3.1' is full: 10000 requests wait. Try again in 12 s."),
    500: failure('internal_error', 'An unexpected error occurred.'),
    502: failure('upstream_error', 'The upstream failed.'),
    504: failure('job_expired', 'The request was not finished within 600 s.'),
  },
  forJob: {
    401: commonFailures[401],
    404: failure('job_not_found', "No such job: 'job_…'."),
    410: failure('job_gone', 'The job is past its retention.'),
    503: commonFailures[503],
  },
  forOperators: {
    401: commonFailures[401],
    403: failure('permission_denied', 'This route needs an administrator key.'),
    503: commonFailures[503],
  },
  forList: { 400: commonFailures[400], 401: commonFailures[401], 503: commonFailures[503] },
  conflict: { 409: failure('conflict', 'The thing is in a state in which this cannot be done to it.') },
  forIdempotent: {
    422: failure('idempotency_mismatch', 'This Idempotency-Key was used with another request.', 'Idempotency-Key'),
  },
  notFinished: { 409: failure('job_not_finished', 'The job is in_progress; its result is there when it has ended.') },
} as const

const open = { additionalProperties: true } as const
const usage = Type.Object(
  { prompt_tokens: Type.Integer(), completion_tokens: Type.Integer(), total_tokens: Type.Integer() },
  open,
)

const ChatCompletion = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('chat.completion'),
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object(
        {
          index: Type.Integer(),
          message: Type.Object(
            { role: Type.Literal('assistant'), content: Type.Union([Type.String(), Type.Null()]) },
            open,
          ),
          finish_reason: Type.String(),
        },
        open,
      ),
    ),
    usage: Type.Optional(usage),
  },
  { ...open, description: 'The answer; with `stream: true` a stream of `chat.completion.chunk` events.' },
)

const TextCompletion = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('text_completion'),
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object({ index: Type.Integer(), text: Type.String(), finish_reason: Type.String() }, open),
    ),
    usage: Type.Optional(usage),
  },
  { ...open, description: 'The answer; with `stream: true` a stream of `text_completion` events.' },
)

const Embeddings = Type.Object(
  {
    object: Type.Literal('list'),
    data: Type.Array(
      Type.Object({
        object: Type.Literal('embedding'),
        index: Type.Integer(),
        embedding: Type.Union([Type.Array(Type.Number()), Type.String({ description: 'base64 of 32-bit floats' })]),
      }),
    ),
    model: Type.String(),
    usage: Type.Object({ prompt_tokens: Type.Integer(), total_tokens: Type.Integer() }, open),
  },
  { ...open, description: 'One embedding for each input, in order.' },
)

export const answers = { chat: ChatCompletion, text: TextCompletion, embeddings: Embeddings } as const

/** The schema with an example body, for readers; validation takes no notice. */
export function withExample(schema: TSchema, example: object): object {
  return { ...schema, examples: [example] }
}

export function described(schema: TSchema, description: string): object {
  return { ...schema, description }
}
