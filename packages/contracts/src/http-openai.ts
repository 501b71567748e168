import { type Static, type TSchema, Type } from 'typebox'
import { ChatMessage, either, orNull, toolFields, unsupported } from './http-chat-parts.ts'
import { ModelDescription } from './http-model-list.ts'

export { ChatMessage } from './http-chat-parts.ts'

/**
 * Bodies of the OpenAI-compatible routes (https://platform.openai.com/docs/api-reference). What OpenAI documents is held
 * to what they say; every other field is passed to the upstream as it came, so `additionalProperties` stays open. What
 * several fields say together is looked over by `requestFault`.
 */
const modelName = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'Public name of a model, see GET /v1/models.',
})
const open = { additionalProperties: true } as const
const optional = <T extends TSchema>(schema: T) => Type.Optional(orNull(schema))
const flag = optional(Type.Boolean())
const tokenCount = Type.Integer({ minimum: 1, maximum: 10_000_000 })

export const Metadata = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 512 }), {
  maxProperties: 16,
})

const tagList = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 64 })

/** OpenAI's metadata; clients of LiteLLM put their tags into it as a list. */
const RequestMetadata = Type.Object(
  { tags: Type.Optional(Type.Union([tagList, Type.String({ maxLength: 512 })])) },
  {
    maxProperties: 16,
    propertyNames: { maxLength: 64 },
    additionalProperties: Type.String({ maxLength: 512 }),
  },
)

const seconds = Type.Number({ minimum: 0, maximum: 31_536_000 })

/** LiteLLM's cache control. */
const CacheControl = Type.Object(
  {
    'no-cache': Type.Optional(Type.Boolean({ description: 'Do not answer from the cache.' })),
    'no-store': Type.Optional(Type.Boolean({ description: 'Do not keep the answer.' })),
    ttl: Type.Optional(seconds),
    's-maxage': Type.Optional(seconds),
    namespace: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  },
  { additionalProperties: false },
)

/** inferq's own: no upstream is told. */
const own = {
  cache: optional(CacheControl),
  tags: optional(tagList),
}

const sampling = {
  temperature: optional(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: optional(Type.Number({ minimum: 0, maximum: 1 })),
  presence_penalty: optional(Type.Number({ minimum: -2, maximum: 2 })),
  frequency_penalty: optional(Type.Number({ minimum: -2, maximum: 2 })),
  logit_bias: optional(
    Type.Object({}, { maxProperties: 2048, additionalProperties: Type.Number({ minimum: -100, maximum: 100 }) }),
  ),
  n: optional(Type.Integer({ minimum: 1, maximum: 128 })),
  seed: optional(Type.Integer()),
  stop: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 4 }), Type.Null()])),
  user: optional(Type.String({ maxLength: 512 })),
  stream: flag,
  stream_options: optional(
    Type.Object({ include_usage: flag, include_obfuscation: flag }, { ...open, description: 'Only with `stream`.' }),
  ),
  service_tier: optional(Type.Enum(['auto', 'default', 'flex', 'scale', 'priority', 'fast'])),
  max_tokens: optional(tokenCount),
  ...own,
}

export const ChatCompletionRequest = Type.Object(
  {
    model: modelName,
    messages: Type.Array(ChatMessage, { minItems: 1, maxItems: 10_000 }),
    ...sampling,
    max_completion_tokens: optional(tokenCount),
    ...toolFields,
    logprobs: flag,
    top_logprobs: optional(Type.Integer({ minimum: 0, maximum: 20, description: 'Only with `logprobs`.' })),
    reasoning_effort: optional(Type.Enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])),
    verbosity: optional(Type.Enum(['low', 'medium', 'high'])),
    metadata: optional(RequestMetadata),
    store: flag,
    modalities: optional(
      Type.Array(
        Type.Unsafe(either({ const: 'audio' }, unsupported('audio output is not supported'), { enum: ['text'] })),
      ),
    ),
    audio: Type.Optional(Type.Union([Type.Null(), unsupported('audio output is not supported')])),
    prediction: optional(
      Type.Object(
        {
          type: Type.Literal('content'),
          content: Type.Union([Type.String(), Type.Array(Type.Object({}, open), { minItems: 1 })]),
        },
        open,
      ),
    ),
    web_search_options: optional(Type.Object({}, open)),
    prompt_cache_key: optional(Type.String({ maxLength: 512 })),
    safety_identifier: optional(Type.String({ maxLength: 512 })),
  },
  open,
)
export type ChatCompletionRequest = Static<typeof ChatCompletionRequest>

const tokens = Type.Array(Type.Integer({ minimum: 0, maximum: 0xffff_ffff }), { minItems: 1 })

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
    logprobs: optional(Type.Integer({ minimum: 0, maximum: 20 })),
    best_of: optional(Type.Integer({ minimum: 1, maximum: 20 })),
    echo: flag,
    suffix: optional(Type.String()),
    metadata: optional(RequestMetadata),
  },
  open,
)
export type TextCompletionRequest = Static<typeof TextCompletionRequest>

export const EmbeddingsRequest = Type.Object(
  {
    model: modelName,
    input: Type.Union([
      Type.String({ minLength: 1 }),
      Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
      tokens,
      Type.Array(tokens, { minItems: 1 }),
    ]),
    dimensions: optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    encoding_format: optional(Type.Enum(['float', 'base64'])),
    user: optional(Type.String({ maxLength: 512 })),
    metadata: optional(RequestMetadata),
    ...own,
  },
  open,
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
