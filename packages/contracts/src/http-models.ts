import { type Static, Type } from 'typebox'

/**
 * Bodies of the model management routes: LiteLLM's names. What may stand in `litellm_params` and `model_info` is what may
 * stand there in the configuration file, and is checked as such.
 */
const open = { additionalProperties: true } as const
const modelName = Type.String({ minLength: 1, maxLength: 256, description: 'The name clients send.' })
const modelId = Type.String({ pattern: '^[\\x21-\\x7e]{1,200}$', description: 'Unique among the deployments.' })
const params = Type.Object(
  { model: Type.Optional(Type.String({ minLength: 1 })) },
  { ...open, description: 'As in `model_list`: `model`, `api_key`, `api_base`, … Kept sealed.' },
)
const info = Type.Object(
  { id: Type.Optional(modelId) },
  { ...open, description: 'As in `model_list`: `class`, `mode`, prices, … Nothing secret.' },
)

export const NewModelRequest = Type.Object(
  { model_name: modelName, litellm_params: params, model_info: Type.Optional(info) },
  open,
)
export type NewModelRequest = Static<typeof NewModelRequest>

/** What is left out stays as it is; null takes a parameter away. */
export const PatchModelRequest = Type.Object(
  {
    model_name: Type.Optional(modelName),
    litellm_params: Type.Optional(params),
    model_info: Type.Optional(info),
  },
  open,
)
export type PatchModelRequest = Static<typeof PatchModelRequest>

export const UpdateModelRequest = Type.Object(
  {
    model_name: Type.Optional(modelName),
    litellm_params: Type.Optional(params),
    model_info: Type.Object({ id: modelId }, open),
  },
  open,
)
export type UpdateModelRequest = Static<typeof UpdateModelRequest>

export const DeleteModelRequest = Type.Object({ id: modelId }, open)
export type DeleteModelRequest = Static<typeof DeleteModelRequest>

export const ModelInfoQuery = Type.Object({ litellm_model_id: Type.Optional(Type.String({ maxLength: 512 })) }, open)
export type ModelInfoQuery = Static<typeof ModelInfoQuery>

export const ModelGroupQuery = Type.Object({ model_group: Type.Optional(Type.String({ maxLength: 512 })) }, open)
export type ModelGroupQuery = Static<typeof ModelGroupQuery>
