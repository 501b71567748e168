import { type Static, Type } from 'typebox'
import { ChatMessage } from './http-openai.ts'

/** What calls would cost: `POST /v1/cost/estimate`, and LiteLLM's `POST /spend/calculate`. */

const modelName = Type.String({ minLength: 1, maxLength: 256 })
const tokenCount = Type.Integer({ minimum: 0, maximum: 1_000_000_000 })
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const messages = Type.Array(ChatMessage, { minItems: 1, maxItems: 10_000 })

export const CostEstimateRequest = Type.Object(
  {
    models: Type.Optional(
      Type.Array(modelName, {
        minItems: 1,
        maxItems: 1000,
        description: 'To be compared. Default: all models of the mode.',
      }),
    ),
    task: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'Instead of `models`: those that the rules of `routing` send this task to.',
      }),
    ),
    mode: Type.Optional(
      Type.Enum(['chat', 'embedding'], { description: 'Default: that of the models named, or `chat`.' }),
    ),
    prompt_tokens: Type.Optional(tokenCount),
    messages: Type.Optional(messages),
    input: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 2048 })], {
        description: 'A text, or the inputs of an embeddings request.',
      }),
    ),
    completion_tokens: Type.Optional(tokenCount),
    cached_tokens: Type.Optional(tokenCount),
    requests: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'How many such requests.' }),
    ),
  },
  {
    additionalProperties: false,
    description: 'Exactly one of `prompt_tokens`, `messages` and `input`; of the last two the tokens are estimated.',
  },
)
export type CostEstimateRequest = Static<typeof CostEstimateRequest>

export const CostEstimate = Type.Object({
  object: Type.Literal('cost.estimate'),
  prompt_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  cached_tokens: Type.Integer(),
  requests: Type.Integer(),
  models: Type.Array(
    Type.Object({
      model: Type.String(),
      cost_usd: orNull(Type.Number({ description: 'Of all the requests. Null: the price is not known.' })),
      cost_per_request_usd: orNull(Type.Number()),
      price_known: Type.Boolean(),
      fits: orNull(
        Type.Boolean({ description: 'Whether prompt and answer fit. Null: the context window is not known.' }),
      ),
      context_window: orNull(Type.Integer()),
      deployment: orNull(Type.String({ description: 'The one this is the cost of. For operators only.' })),
    }),
    { description: 'Cheapest first, those of unknown price last.' },
  ),
  cheapest: orNull(Type.String({ description: 'The cheapest of those of known price that fit, as far as is known.' })),
})
export type CostEstimate = Static<typeof CostEstimate>

export const SpendCalculateRequest = Type.Object(
  {
    model: Type.Optional(modelName),
    messages: Type.Optional(messages),
    completion_response: Type.Optional(
      Type.Object(
        {
          model: Type.Optional(modelName),
          usage: Type.Object(
            {
              prompt_tokens: tokenCount,
              completion_tokens: Type.Optional(tokenCount),
              prompt_tokens_details: Type.Optional(
                orNull(
                  Type.Object({ cached_tokens: Type.Optional(orNull(tokenCount)) }, { additionalProperties: true }),
                ),
              ),
            },
            { additionalProperties: true },
          ),
        },
        { additionalProperties: true },
      ),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Either `model` and `messages` (what the prompt would cost), or a `completion_response` as it was given.',
  },
)
export type SpendCalculateRequest = Static<typeof SpendCalculateRequest>

export const SpendCalculation = Type.Object({
  cost: orNull(Type.Number({ description: 'In USD. Null: the price is not known.' })),
})
