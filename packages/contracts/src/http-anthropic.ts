import { type Static, Type } from 'typebox'

/**
 * Bodies of Anthropic's Messages API (https://docs.claude.com/en/api/messages). The frame alone: what stands in a block, a
 * source or a tool depends on its type, and is read where it is translated. Fields that are not listed are passed on.
 */
const open = { additionalProperties: true } as const

const block = Type.Object({ type: Type.String({ minLength: 1, maxLength: 64 }) }, open)
const content = Type.Union([Type.String(), Type.Array(block, { maxItems: 100_000 })])

const message = Type.Object({ role: Type.Enum(['user', 'assistant', 'system']), content }, open)

const tool = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    type: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    description: Type.Optional(Type.String()),
    input_schema: Type.Optional(Type.Object({}, open)),
  },
  open,
)

const thinking = Type.Object(
  {
    type: Type.Enum(['enabled', 'disabled', 'adaptive', 'between_tools']),
    budget_tokens: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
  },
  open,
)

const outputFormat = Type.Object({ type: Type.Enum(['json_schema']), schema: Type.Object({}, open) }, open)
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

/** What makes the prompt, and so what is counted. */
const prompt = {
  model: Type.String({ minLength: 1, maxLength: 256, description: 'Public name of a model, see GET /v1/models.' }),
  messages: Type.Array(message, { minItems: 1, maxItems: 100_000 }),
  system: Type.Optional(Type.Union([Type.String(), Type.Array(block, { maxItems: 10_000 })])),
  tools: Type.Optional(nullable(Type.Array(tool, { maxItems: 1024 }))),
  tool_choice: Type.Optional(
    nullable(
      Type.Object(
        {
          type: Type.Enum(['auto', 'any', 'tool', 'none']),
          name: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
          disable_parallel_tool_use: Type.Optional(Type.Boolean()),
        },
        open,
      ),
    ),
  ),
  thinking: Type.Optional(nullable(thinking)),
  output_config: Type.Optional(
    nullable(
      Type.Object(
        {
          effort: Type.Optional(nullable(Type.Enum(['low', 'medium', 'high', 'xhigh', 'max']))),
          format: Type.Optional(nullable(outputFormat)),
        },
        open,
      ),
    ),
  ),
  output_format: Type.Optional(nullable(outputFormat)),
}

export const MessagesRequest = Type.Object(
  {
    ...prompt,
    max_tokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
    stop_sequences: Type.Optional(nullable(Type.Array(Type.String({ minLength: 1 }), { maxItems: 8191 }))),
    temperature: Type.Optional(nullable(Type.Number({ minimum: 0, maximum: 2 }))),
    top_p: Type.Optional(nullable(Type.Number({ minimum: 0, maximum: 1 }))),
    top_k: Type.Optional(nullable(Type.Integer({ minimum: 0, maximum: 10_000_000 }))),
    metadata: Type.Optional(
      nullable(Type.Object({ user_id: Type.Optional(nullable(Type.String({ maxLength: 2048 }))) }, open)),
    ),
    stream: Type.Optional(nullable(Type.Boolean())),
    service_tier: Type.Optional(
      nullable(
        Type.Enum(['auto', 'standard_only', 'default', 'flex', 'priority'], {
          description: "Anthropic's `auto` and `standard_only`, or the band in which the job waits.",
        }),
      ),
    ),
  },
  open,
)
export type MessagesRequest = Static<typeof MessagesRequest>

export const CountTokensRequest = Type.Object(prompt, open)
export type CountTokensRequest = Static<typeof CountTokensRequest>

const answerBlock = Type.Object({ type: Type.Enum(['text', 'thinking', 'redacted_thinking', 'tool_use']) }, open)

export const AnthropicUsage = Type.Object({
  input_tokens: Type.Integer({ description: 'Without those of the two caches.' }),
  cache_creation_input_tokens: Type.Integer(),
  cache_read_input_tokens: Type.Integer(),
  output_tokens: Type.Integer(),
  output_tokens_details: Type.Optional(Type.Object({ thinking_tokens: Type.Integer() })),
})
export type AnthropicUsage = Static<typeof AnthropicUsage>

export const AnthropicAnswer = Type.Object({
  id: Type.String({ examples: ['msg_01m8k3v7w2q9r4t6y8z0a1b2c3'] }),
  type: Type.Literal('message'),
  role: Type.Literal('assistant'),
  model: Type.String(),
  content: Type.Array(answerBlock),
  stop_reason: nullable(Type.Enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal'])),
  stop_sequence: nullable(Type.String()),
  stop_details: nullable(Type.Object({}, open)),
  usage: AnthropicUsage,
})

export const TokenCount = Type.Object({ input_tokens: Type.Integer() })

const model = Type.Object(
  {
    type: Type.Literal('model'),
    id: Type.String(),
    display_name: Type.String(),
    created_at: Type.String({ format: 'date-time' }),
    max_input_tokens: nullable(Type.Integer()),
    max_tokens: nullable(Type.Integer()),
  },
  open,
)
export type AnthropicModel = Static<typeof model>

const modelList = Type.Object({
  data: Type.Array(model),
  has_more: Type.Boolean(),
  first_id: nullable(Type.String()),
  last_id: nullable(Type.String()),
})
export type AnthropicModelList = Static<typeof modelList>

export const AnthropicErrorResponse = Type.Object({
  type: Type.Literal('error'),
  error: Type.Object({
    type: Type.String(),
    message: Type.String(),
    details: Type.Object({ error_code: Type.String(), param: Type.Optional(Type.String()) }),
  }),
  request_id: Type.String(),
})
