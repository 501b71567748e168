import { type TSchema, Type } from 'typebox'

/**
 * What a chat completion request is made of: messages, content parts, tools. Every field OpenAI knows is described as they
 * have it; others are passed to the upstream as they came, so objects stay open.
 */
const open = { additionalProperties: true } as const
/** OpenAI's rule for names of functions and schemas. */
const name = Type.String({ pattern: '^[a-zA-Z0-9_-]{1,64}$' })
const label = Type.String({ maxLength: 256 })
const object = Type.Object({}, open)

export const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** Refused by name: `unsupported_parameter`. The text goes after "'field'" in the message. */
export function unsupported(text: string): TSchema {
  return Type.Unsafe({ 'x-unsupported': text })
}

/** JSON Schema's if, then, else. */
export function either(test: object, consequence: object, otherwise: object): object {
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema has this name for it
  return { if: test, then: consequence, else: otherwise }
}

/** An object by its `type`: the first of these that has it says what else it needs; other types pass. */
function byType(kinds: Readonly<Record<string, object>>): TSchema {
  const chain = Object.entries(kinds).reduceRight<object>(
    (rest, [type, needs]) => either({ required: ['type'], properties: { type: { const: type } } }, needs, rest),
    {},
  )
  return Type.Unsafe({
    type: 'object',
    required: ['type'],
    properties: { type: { type: 'string', minLength: 1 } },
    ...chain,
  })
}

const needing = (field: string, schema: object): object => ({ required: [field], properties: { [field]: schema } })

const text = Type.String()
const ImageUrl = Type.Object(
  {
    url: Type.String({ minLength: 1 }),
    detail: Type.Optional(orNull(Type.Enum(['auto', 'low', 'high', 'original']))),
  },
  open,
)
const File = Type.Object(
  {
    file_id: Type.Optional(orNull(Type.String({ minLength: 1 }))),
    file_data: Type.Optional(orNull(Type.String({ minLength: 1 }))),
    filename: Type.Optional(orNull(Type.String())),
  },
  open,
)

const ContentPart = byType({
  text: needing('text', text),
  image_url: needing('image_url', ImageUrl),
  file: needing('file', File),
  refusal: needing('refusal', text),
  input_audio: { properties: { type: unsupported('audio input is not supported') } },
})

const content = Type.Union([text, Type.Array(ContentPart, { minItems: 1 }), Type.Null()])

const FunctionCall = Type.Object({ name: Type.String({ minLength: 1, maxLength: 256 }), arguments: text }, open)

const ToolCall = Type.Intersect([
  Type.Object({ id: Type.String({ minLength: 1, maxLength: 512 }) }, open),
  byType({
    function: needing('function', FunctionCall),
    custom: needing('custom', Type.Object({ name: Type.String({ minLength: 1 }), input: text }, open)),
  }),
])

/** What a role needs beside its content is told by `chatFault`: a schema could not name the field. */
export const ChatMessage = Type.Object(
  {
    role: Type.Enum(['developer', 'system', 'user', 'assistant', 'tool', 'function']),
    content: Type.Optional(content),
    name: Type.Optional(orNull(label)),
    refusal: Type.Optional(orNull(text)),
    tool_call_id: Type.Optional(orNull(Type.String({ minLength: 1, maxLength: 512 }))),
    tool_calls: Type.Optional(orNull(Type.Array(ToolCall, { maxItems: 1024 }))),
    function_call: Type.Optional(orNull(FunctionCall)),
    audio: Type.Optional(Type.Union([Type.Null(), unsupported('audio is not supported')])),
  },
  open,
)

const FunctionDefinition = Type.Object(
  {
    name,
    description: Type.Optional(orNull(text)),
    parameters: Type.Optional(orNull(object)),
    strict: Type.Optional(orNull(Type.Boolean())),
  },
  open,
)

const Tool = byType({
  function: needing('function', FunctionDefinition),
  custom: needing('custom', Type.Object({ name }, open)),
})

const ToolChoice = Type.Union([
  Type.Enum(['none', 'auto', 'required']),
  byType({
    function: needing('function', Type.Object({ name: text }, open)),
    custom: needing('custom', Type.Object({ name: text }, open)),
    allowed_tools: needing(
      'allowed_tools',
      Type.Object({ mode: Type.Enum(['auto', 'required']), tools: Type.Array(object, { minItems: 1 }) }, open),
    ),
  }),
  Type.Null(),
])

const ResponseFormat = Type.Intersect([
  Type.Object({ type: Type.Enum(['text', 'json_object', 'json_schema']) }, open),
  byType({
    json_schema: needing(
      'json_schema',
      Type.Object(
        {
          name,
          description: Type.Optional(orNull(text)),
          schema: Type.Optional(orNull(object)),
          strict: Type.Optional(orNull(Type.Boolean())),
        },
        open,
      ),
    ),
  }),
])

export const toolFields = {
  tools: Type.Optional(orNull(Type.Array(Tool, { maxItems: 1024 }))),
  tool_choice: Type.Optional(ToolChoice),
  parallel_tool_calls: Type.Optional(orNull(Type.Boolean())),
  functions: Type.Optional(orNull(Type.Array(FunctionDefinition, { maxItems: 1024 }))),
  function_call: Type.Optional(
    Type.Union([Type.Enum(['none', 'auto']), Type.Object({ name: text }, open), Type.Null()]),
  ),
  response_format: Type.Optional(orNull(ResponseFormat)),
}
