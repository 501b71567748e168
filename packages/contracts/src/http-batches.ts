import { type Static, Type } from 'typebox'
import { ExpiresAfter } from './http-files.ts'
import { Metadata } from './http-openai.ts'

/**
 * OpenAI's batches (https://platform.openai.com/docs/api-reference/batch).
 *
 *   validating ──▶ in_progress ──▶ finalizing ──▶ completed | expired
 *       │ │             │
 *       │ └──▶ failed   │
 *       └───────────────┴──▶ cancelling ──▶ cancelled
 */
export const batchStatuses = [
  ...(['validating', 'failed', 'in_progress', 'finalizing', 'completed'] as const),
  ...(['expired', 'cancelling', 'cancelled'] as const),
] as const
export type BatchStatus = (typeof batchStatuses)[number]

/** Requests of one batch, at most. */
export const maxBatchLines = 50_000

export const CreateBatchRequest = Type.Object(
  {
    input_file_id: Type.String({ minLength: 1, maxLength: 120, description: 'A file uploaded with purpose `batch`.' }),
    endpoint: Type.String({ minLength: 1, maxLength: 120 }),
    completion_window: Type.Enum(['24h']),
    metadata: Type.Optional(Type.Union([Metadata, Type.Null()])),
    output_expires_after: Type.Optional(ExpiresAfter),
  },
  { additionalProperties: false },
)
export type CreateBatchRequest = Static<typeof CreateBatchRequest>

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

export const BatchFault = Type.Object({
  code: Type.String(),
  message: Type.String(),
  param: nullable(Type.String()),
  line: nullable(Type.Integer({ description: 'Of the input file, from 1.' })),
})
export type BatchFault = Static<typeof BatchFault>

const time = nullable(Type.Integer())

export const BatchObject = Type.Object({
  id: Type.String(),
  object: Type.Literal('batch'),
  endpoint: Type.String(),
  model: nullable(Type.String()),
  errors: nullable(Type.Object({ object: Type.Literal('list'), data: Type.Array(BatchFault) })),
  input_file_id: Type.String(),
  completion_window: Type.String(),
  status: Type.Enum([...batchStatuses]),
  output_file_id: nullable(Type.String()),
  error_file_id: nullable(Type.String()),
  created_at: Type.Integer(),
  in_progress_at: time,
  expires_at: time,
  finalizing_at: time,
  completed_at: time,
  failed_at: time,
  expired_at: time,
  cancelling_at: time,
  cancelled_at: time,
  request_counts: Type.Object({
    total: Type.Integer(),
    completed: Type.Integer(),
    failed: Type.Integer({ description: 'Expired and cancelled requests are in neither.' }),
  }),
  usage: Type.Object({
    input_tokens: Type.Integer(),
    input_tokens_details: Type.Object({ cached_tokens: Type.Integer() }),
    output_tokens: Type.Integer(),
    output_tokens_details: Type.Object({ reasoning_tokens: Type.Integer() }),
    total_tokens: Type.Integer(),
  }),
  metadata: nullable(Metadata),
})
export type BatchObject = Static<typeof BatchObject>

export const BatchList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(BatchObject),
  first_id: nullable(Type.String()),
  last_id: nullable(Type.String()),
  has_more: Type.Boolean(),
})

export const ListBatchesQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    after: Type.Optional(Type.String({ maxLength: 120 })),
  },
  { additionalProperties: false },
)
export type ListBatchesQuery = Static<typeof ListBatchesQuery>
