import { type Static, Type } from 'typebox'

/** What `GET /v1/models` says of a model beside OpenAI's fields. Null wherever it is not known. */

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const rates = {
  input_per_million_usd: Type.Number(),
  output_per_million_usd: Type.Number(),
  cached_input_per_million_usd: Type.Number({ description: 'Prompt tokens read from the cache of the provider.' }),
}

export const PriceView = Type.Object({
  ...rates,
  long_prompt: orNull(
    Type.Object(
      { above_tokens: Type.Integer(), ...rates },
      { description: 'What all tokens of a call cost when its prompt is longer than that.' },
    ),
  ),
  source: Type.Enum(['config', 'catalog'], {
    description: 'Who says so: the configuration, or the public price list.',
  }),
})
export type PriceView = Static<typeof PriceView>

export const CapabilitiesView = Type.Object(
  {
    vision: Type.Optional(Type.Boolean()),
    tools: Type.Optional(Type.Boolean()),
    json_schema: Type.Optional(Type.Boolean()),
    reasoning: Type.Optional(Type.Boolean()),
    audio: Type.Optional(Type.Boolean()),
    pdf: Type.Optional(Type.Boolean()),
  },
  { description: 'What is not here is not known.' },
)
export type CapabilitiesView = Static<typeof CapabilitiesView>

const facts = {
  mode: orNull(Type.Enum(['chat', 'embedding'])),
  context_window: orNull(Type.Integer({ description: 'Tokens of prompt and answer together.' })),
  max_output_tokens: orNull(Type.Integer()),
  price: orNull(PriceView),
  capabilities: CapabilitiesView,
}

export const DeploymentView = Type.Object({
  id: Type.String(),
  provider: Type.String(),
  class: Type.String(),
  upstream_model: Type.String(),
  ...facts,
  circuit: Type.Object({
    state: Type.Enum(['closed', 'open', 'half_open']),
    until: orNull(Type.Number({ description: 'Seconds since the epoch; of an open one.' })),
    reason: orNull(Type.String({ description: 'The error that opened it.' })),
  }),
})
export type DeploymentView = Static<typeof DeploymentView>

export const ModelDescription = Type.Object({
  ...facts,
  wildcard: Type.Boolean({ description: 'The name is a pattern; any name that fits may be called.' }),
  alias_of: orNull(Type.String({ description: 'The model this name stands for.' })),
  deployments: Type.Optional(Type.Array(DeploymentView, { description: 'For operators only.' })),
})
export type ModelDescription = Static<typeof ModelDescription>
