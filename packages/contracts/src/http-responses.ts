import { type Static, Type } from 'typebox'
import { Metadata } from './http-openai.ts'

/**
 * OpenAI's Responses (https://platform.openai.com/docs/api-reference/responses). Items, parts and tools are open objects:
 * which of them can be served is said by name where they are translated (response-request.ts, response-messages.ts).
 */
const open = { additionalProperties: true } as const
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const optional = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Optional(nullable(schema))
const text = Type.String()
const shortText = Type.String({ minLength: 1, maxLength: 256 })

const ContentPart = Type.Object(
  {
    type: Type.String({ minLength: 1 }),
    text: Type.Optional(text),
    refusal: Type.Optional(text),
    image_url: optional(text),
    file_id: optional(text),
    file_data: optional(text),
    file_url: optional(text),
    filename: optional(Type.String({ maxLength: 1024 })),
    detail: optional(text),
  },
  open,
)
const Parts = Type.Array(ContentPart, { maxItems: 10_000 })

export const ResponseInputItem = Type.Object(
  {
    type: Type.Optional(Type.String({ minLength: 1 })),
    id: optional(Type.String({ minLength: 1, maxLength: 256 })),
    role: Type.Optional(Type.Enum(['user', 'assistant', 'system', 'developer'])),
    content: optional(Type.Union([text, Parts])),
    call_id: Type.Optional(shortText),
    name: Type.Optional(shortText),
    arguments: Type.Optional(text),
    output: Type.Optional(Type.Union([text, Parts])),
  },
  open,
)
export type ResponseInputItem = Static<typeof ResponseInputItem>

const ResponseTool = Type.Object(
  {
    type: Type.String({ minLength: 1 }),
    name: Type.Optional(shortText),
    description: optional(text),
    parameters: optional(Type.Object({}, open)),
    strict: optional(Type.Boolean()),
  },
  open,
)

const ToolChoice = Type.Union([
  Type.Enum(['none', 'auto', 'required']),
  Type.Object(
    {
      type: Type.String({ minLength: 1 }),
      name: Type.Optional(shortText),
      mode: Type.Optional(Type.Enum(['auto', 'required'])),
      tools: Type.Optional(Type.Array(Type.Object({ type: text, name: Type.Optional(shortText) }, open))),
    },
    open,
  ),
])

const TextFormat = Type.Object(
  {
    type: Type.Enum(['text', 'json_object', 'json_schema']),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    schema: Type.Optional(Type.Object({}, open)),
    description: optional(text),
    strict: optional(Type.Boolean()),
  },
  open,
)

/** What is asked to be included; names of tools that are not here include nothing. */
const responseIncludables = [
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
] as const

export const CreateResponseRequest = Type.Object(
  {
    model: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'Public name of a model, see GET /v1/models.' }),
    ),
    input: optional(Type.Union([text, Type.Array(ResponseInputItem, { maxItems: 10_000 })])),
    instructions: optional(text),
    previous_response_id: optional(Type.String({ minLength: 1, maxLength: 100 })),
    store: optional(Type.Boolean({ default: true })),
    background: optional(Type.Boolean({ default: false })),
    stream: optional(Type.Boolean({ default: false })),
    stream_options: optional(Type.Object({ include_obfuscation: Type.Optional(Type.Boolean()) }, open)),
    tools: optional(Type.Array(ResponseTool, { maxItems: 1024 })),
    tool_choice: optional(ToolChoice),
    parallel_tool_calls: optional(Type.Boolean()),
    max_tool_calls: optional(Type.Integer({ minimum: 1 })),
    text: optional(
      Type.Object({ format: optional(TextFormat), verbosity: optional(Type.Enum(['low', 'medium', 'high'])) }, open),
    ),
    reasoning: optional(
      Type.Object(
        {
          effort: optional(Type.Enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])),
          summary: optional(Type.Enum(['auto', 'concise', 'detailed'])),
          generate_summary: optional(Type.Enum(['auto', 'concise', 'detailed'])),
        },
        open,
      ),
    ),
    max_output_tokens: optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
    temperature: optional(Type.Number({ minimum: 0, maximum: 2 })),
    top_p: optional(Type.Number({ minimum: 0, maximum: 1 })),
    top_logprobs: optional(Type.Integer({ minimum: 0, maximum: 20 })),
    truncation: optional(Type.Enum(['auto', 'disabled'])),
    include: optional(Type.Array(Type.Enum([...responseIncludables]), { maxItems: 100 })),
    metadata: optional(Metadata),
    user: optional(Type.String({ maxLength: 512 })),
    safety_identifier: optional(Type.String({ maxLength: 512 })),
    prompt_cache_key: optional(Type.String({ maxLength: 512 })),
    service_tier: optional(Type.Enum(['auto', 'default', 'flex', 'priority'])),
  },
  open,
)
export type CreateResponseRequest = Static<typeof CreateResponseRequest>

export const RetrieveResponseQuery = Type.Object(
  {
    stream: Type.Optional(Type.Boolean()),
    starting_after: Type.Optional(
      Type.Integer({ minimum: 0, description: 'With `stream`: events with a higher `sequence_number` only.' }),
    ),
  },
  open,
)
export type RetrieveResponseQuery = Static<typeof RetrieveResponseQuery>

export const ListInputItemsQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    order: Type.Optional(Type.Enum(['asc', 'desc'], { default: 'desc' })),
    after: Type.Optional(Type.String({ maxLength: 256 })),
    before: Type.Optional(Type.String({ maxLength: 256 })),
  },
  open,
)
export type ListInputItemsQuery = Static<typeof ListInputItemsQuery>

export const responseStatuses = ['queued', 'in_progress', 'completed', 'failed', 'cancelled', 'incomplete'] as const
export type ResponseStatus = (typeof responseStatuses)[number]

const OutputItem = Type.Object({ type: text, id: text }, open)

/** What is left of the request in every answer about the response. */
export const ResponseObject = Type.Object(
  {
    id: Type.String({ description: '`resp_…`; its job is `job_…` with the same ending.' }),
    object: Type.Literal('response'),
    created_at: Type.Integer(),
    completed_at: nullable(Type.Integer()),
    status: Type.Enum([...responseStatuses]),
    background: Type.Boolean(),
    error: nullable(Type.Object({ code: text, message: text }, open)),
    incomplete_details: nullable(Type.Object({ reason: Type.Enum(['max_output_tokens', 'content_filter']) })),
    model: text,
    output: Type.Array(OutputItem),
    usage: nullable(
      Type.Object({
        input_tokens: Type.Integer(),
        input_tokens_details: Type.Object({ cached_tokens: Type.Integer() }),
        output_tokens: Type.Integer(),
        output_tokens_details: Type.Object({ reasoning_tokens: Type.Integer() }),
        total_tokens: Type.Integer(),
      }),
    ),
    instructions: nullable(text),
    previous_response_id: nullable(text),
    store: Type.Boolean(),
    metadata: Type.Record(Type.String(), Type.String()),
  },
  open,
)

export const ResponseDeleted = Type.Object({
  id: text,
  object: Type.Literal('response'),
  deleted: Type.Literal(true),
})

export const ResponseItemList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(OutputItem),
  first_id: nullable(text),
  last_id: nullable(text),
  has_more: Type.Boolean(),
})
