import { type Static, Type } from 'typebox'
import { ChatMessage, Metadata } from './http-openai.ts'
import { WebhookRequest } from './http-webhooks.ts'
import { jobTypes, tiers } from './job.ts'
import { jobStatuses } from './job-state.ts'

/** Bodies of the native job routes. Unknown fields are refused here: there is no upstream they could be meant for. */
const closed = { additionalProperties: false } as const
const seconds = Type.Number({ exclusiveMinimum: 0, maximum: 30 * 86_400 })

export const SummarizationRequest = Type.Object(
  {
    text: Type.Optional(Type.String({ minLength: 1, description: 'The text to summarize.' })),
    messages: Type.Optional(
      Type.Array(ChatMessage, { minItems: 1, maxItems: 10_000, description: 'A conversation to summarize.' }),
    ),
    model: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    max_words: Type.Optional(Type.Integer({ minimum: 5, maximum: 10_000, default: 200 })),
    style: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'For example "bullet points".' })),
    language: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    focus: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1000, description: 'What the summary must not miss.' }),
    ),
  },
  closed,
)
export type SummarizationRequest = Static<typeof SummarizationRequest>

export const SubmitJobRequest = Type.Object(
  {
    type: Type.Enum([...jobTypes]),
    request: Type.Object(
      {},
      {
        additionalProperties: true,
        description:
          'The body of the request, by type: a chat completion, a text completion (with `prompt`), embeddings, or a summarization.',
      },
    ),
    priority: Type.Optional(Type.Enum([...tiers])),
    start_within_s: Type.Optional(seconds),
    finish_within_s: Type.Optional(seconds),
    metadata: Type.Optional(Metadata),
    webhook: Type.Optional(WebhookRequest),
  },
  closed,
)
export type SubmitJobRequest = Static<typeof SubmitJobRequest>

const mostJobsAtOnce = 1_000

export const SubmitJobsRequest = Type.Object(
  {
    jobs: Type.Array(SubmitJobRequest, {
      minItems: 1,
      maxItems: mostJobsAtOnce,
      description: 'All are accepted, or none.',
    }),
  },
  closed,
)
export type SubmitJobsRequest = Static<typeof SubmitJobsRequest>

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const JobError = Type.Object(
  { code: Type.String(), message: Type.String(), param: Type.Optional(nullable(Type.String())) },
  { additionalProperties: true },
)

const JobUsage = Type.Object({
  prompt_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  total_tokens: Type.Integer(),
  estimated: Type.Boolean(),
})

export const JobView = Type.Object({
  id: Type.String(),
  object: Type.Literal('job'),
  type: Type.Enum([...jobTypes]),
  status: Type.Enum([...jobStatuses]),
  owner: Type.String({ description: 'Who it belongs to.' }),
  retry_of: nullable(Type.String({ description: 'The job that this one runs again.' })),
  model: Type.String(),
  created_at: Type.Number({ description: 'Unix time in seconds, with milliseconds as the fraction.' }),
  queue: nullable(
    Type.Object({
      class: Type.String(),
      position: nullable(Type.Integer({ description: '1 is the next to be taken.' })),
      eta_s: nullable(Type.Number({ description: 'Seconds until it starts, by what jobs of the class took lately.' })),
    }),
  ),
  route: nullable(
    Type.Object({
      strategy: Type.String(),
      rule: nullable(Type.String()),
      variant: nullable(Type.String()),
      reason: Type.String(),
    }),
  ),
  attempts: Type.Array(
    Type.Object({
      attempt: Type.Integer(),
      hop: Type.Integer(),
      class: Type.String(),
      worker: Type.String(),
      deployment: nullable(Type.String()),
      started_at: Type.Number(),
      ended_at: nullable(Type.Number()),
      outcome: nullable(Type.String()),
      error: nullable(JobError),
      continued: Type.Boolean({ description: 'It went on where the attempt before had stopped.' }),
      usage: nullable(JobUsage),
      cost_usd: nullable(Type.Number({ description: 'Of this attempt; null where the price is not known.' })),
    }),
  ),
  progress: nullable(Type.Object({ stage: Type.String(), done: Type.Integer(), total: Type.Integer() })),
  result: Type.Unknown({
    description: 'The OpenAI object, or the summary; null until it ended, and where it was not kept.',
  }),
  error: nullable(JobError),
  usage: nullable(JobUsage),
  cost_usd: nullable(Type.Number()),
  timings: Type.Object({
    queued_ms: nullable(Type.Number()),
    ttft_ms: nullable(Type.Number()),
    duration_ms: nullable(Type.Number()),
  }),
  metadata: Type.Record(Type.String(), Type.String()),
  urls: Type.Object({ self: Type.String(), events: Type.String(), result: Type.String(), cancel: Type.String() }),
})
export type JobView = Static<typeof JobView>

export const JobList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(JobView),
  has_more: Type.Boolean(),
  next: nullable(Type.String({ description: 'Pass as `after` for the next page.' })),
})

/** Unix seconds of a time in a query: up to the year 9999. */
const unixTime = Type.Number({ minimum: 0, maximum: 253_402_300_799 })

export const ListJobsQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    after: Type.Optional(Type.String({ maxLength: 200 })),
    status: Type.Optional(Type.Enum([...jobStatuses])),
    type: Type.Optional(Type.Enum([...jobTypes])),
    model: Type.Optional(Type.String({ maxLength: 256 })),
    class: Type.Optional(Type.String({ maxLength: 256 })),
    error_code: Type.Optional(
      Type.String({ maxLength: 64, description: 'Of the error it ended with.', examples: ['upstream_timeout'] }),
    ),
    owner: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: "For administrators: another owner's jobs; `*`: everybody's. Default: one's own.",
      }),
    ),
    created_after: Type.Optional(unixTime),
    created_before: Type.Optional(unixTime),
  },
  {
    ...closed,
    // `metadata[doc]=42`, several at once.
    patternProperties: { '^metadata\\[.{1,64}\\]$': Type.String({ maxLength: 512 }) },
  },
)
/** Beside these: `metadata[<key>]`, each a text. */
export type ListJobsQuery = Static<typeof ListJobsQuery>

/** `POST /v1/jobs/{id}/events-url`. */
export const EventsUrlRequest = Type.Object(
  { expires_in_s: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600, default: 300 })) },
  closed,
)
export type EventsUrlRequest = Static<typeof EventsUrlRequest>

export const EventsUrl = Type.Object({
  url: Type.String({ description: 'For `EventSource`: it needs no header.' }),
  expires_at: Type.Integer({ description: 'Unix time in seconds. Nothing is opened after it; what is open goes on.' }),
})
export type EventsUrl = Static<typeof EventsUrl>

/** The answer to several jobs at once. */
export const AcceptedJobs = Type.Object({ object: Type.Literal('list'), data: Type.Array(JobView) })

export const CancelResponse = Type.Object({
  id: Type.String(),
  object: Type.Literal('job.cancellation'),
  outcome: Type.Enum(['cancelled', 'cancelling', 'already_finished']),
})
