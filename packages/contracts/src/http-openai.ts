import { type Static, Type } from 'typebox'
import { ModelDescription } from './http-model-list.ts'

/**
 * Bodies of the OpenAI-compatible routes (https://platform.openai.com/docs/api-reference). Only what inferq reads is
 * described; every other field is passed to the upstream as it came, so `additionalProperties` stays open.
 */
const modelName = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'Public name of a model, see GET /v1/models.',
})
const openObject = { additionalProperties: true } as const

const contentPart = Type.Object({ type: Type.String({ minLength: 1 }) }, openObject)
const content = Type.Union([Type.String(), Type.Array(contentPart, { minItems: 1 }), Type.Null()])

export const ChatMessage = Type.Object(
  {
    role: Type.Enum(['developer', 'system', 'user', 'assistant', 'tool', 'function']),
    content: Type.Optional(content),
    name: Type.Optional(Type.String({ maxLength: 256 })),
    tool_call_id: Type.Optional(Type.String({ maxLength: 256 })),
    tool_calls: Type.Optional(Type.Array(Type.Object({}, openObject))),
  },
  openObject,
)

const stop = Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 4 }), Type.Null()])
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const tokenCount = nullable(Type.Integer({ minimum: 1, maximum: 10_000_000 }))

const sampling = {
  temperature: Type.Optional(nullable(Type.Number({ minimum: 0, maximum: 2 }))),
  top_p: Type.Optional(nullable(Type.Number({ minimum: 0, maximum: 1 }))),
  presence_penalty: Type.Optional(nullable(Type.Number({ minimum: -2, maximum: 2 }))),
  frequency_penalty: Type.Optional(nullable(Type.Number({ minimum: -2, maximum: 2 }))),
  n: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 128 }))),
  seed: Type.Optional(nullable(Type.Integer())),
  stop: Type.Optional(stop),
  user: Type.Optional(Type.String({ maxLength: 512 })),
  stream: Type.Optional(nullable(Type.Boolean())),
  stream_options: Type.Optional(nullable(Type.Object({ include_usage: Type.Optional(Type.Boolean()) }, openObject))),
  service_tier: Type.Optional(nullable(Type.Enum(['auto', 'default', 'flex', 'priority']))),
  max_tokens: Type.Optional(tokenCount),
}

export const Metadata = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 512 }), {
  maxProperties: 16,
})

export const ChatCompletionRequest = Type.Object(
  {
    model: modelName,
    messages: Type.Array(ChatMessage, { minItems: 1, maxItems: 10_000 }),
    max_completion_tokens: Type.Optional(tokenCount),
    tools: Type.Optional(Type.Array(Type.Object({ type: Type.String() }, openObject), { maxItems: 1024 })),
    metadata: Type.Optional(nullable(Metadata)),
    ...sampling,
  },
  openObject,
)
export type ChatCompletionRequest = Static<typeof ChatCompletionRequest>

const tokens = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 })

export const TextCompletionRequest = Type.Object(
  {
    model: modelName,
    prompt: Type.Union([
      Type.String(),
      Type.Array(Type.String(), { minItems: 1 }),
      tokens,
      Type.Array(tokens, { minItems: 1 }),
    ]),
    ...sampling,
  },
  openObject,
)
export type TextCompletionRequest = Static<typeof TextCompletionRequest>

export const EmbeddingsRequest = Type.Object(
  {
    model: modelName,
    input: Type.Union([
      Type.String({ minLength: 1 }),
      Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 2048 }),
      tokens,
      Type.Array(tokens, { minItems: 1, maxItems: 2048 }),
    ]),
    dimensions: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    encoding_format: Type.Optional(Type.Enum(['float', 'base64'])),
    user: Type.Optional(Type.String({ maxLength: 512 })),
  },
  openObject,
)
export type EmbeddingsRequest = Static<typeof EmbeddingsRequest>

export const Model = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  created: Type.Integer(),
  owned_by: Type.String(),
  inferq: ModelDescription,
})
export const ModelList = Type.Object({ object: Type.Literal('list'), data: Type.Array(Model) })

export const ErrorResponse = Type.Object({
  error: Type.Object({
    message: Type.String(),
    type: Type.String(),
    param: Type.Union([Type.String(), Type.Null()]),
    code: Type.Union([Type.String(), Type.Null()]),
  }),
})
