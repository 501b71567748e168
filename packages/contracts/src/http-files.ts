import { type Static, Type } from 'typebox'

/** OpenAI's files (https://platform.openai.com/docs/api-reference/files). */
export const uploadPurposes = ['batch', 'user_data', 'assistants', 'vision', 'fine-tune', 'evals'] as const
/** `batch_output` is given to what batches write. */
export const filePurposes = [...uploadPurposes, 'batch_output'] as const

export const FileObject = Type.Object({
  id: Type.String(),
  object: Type.Literal('file'),
  bytes: Type.Integer(),
  created_at: Type.Integer(),
  expires_at: Type.Optional(Type.Integer()),
  filename: Type.String(),
  purpose: Type.Enum([...filePurposes]),
  status: Type.Literal('processed'),
})
export type FileObject = Static<typeof FileObject>

export const FileDeleted = Type.Object({
  id: Type.String(),
  object: Type.Literal('file'),
  deleted: Type.Literal(true),
})

export const FileList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(FileObject),
  first_id: Type.Union([Type.String(), Type.Null()]),
  last_id: Type.Union([Type.String(), Type.Null()]),
  has_more: Type.Boolean(),
})

export const ListFilesQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 10_000 })),
    order: Type.Optional(Type.Enum(['asc', 'desc'])),
    after: Type.Optional(Type.String({ maxLength: 120 })),
    purpose: Type.Optional(Type.String({ maxLength: 64 })),
  },
  { additionalProperties: false },
)
export type ListFilesQuery = Static<typeof ListFilesQuery>

/** Seconds: an hour to thirty days. */
export const ExpiresAfter = Type.Object(
  { anchor: Type.Enum(['created_at']), seconds: Type.Integer({ minimum: 3600, maximum: 2_592_000 }) },
  { additionalProperties: false },
)
