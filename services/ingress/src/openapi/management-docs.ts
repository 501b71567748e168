import { DeleteModelRequest, NewModelRequest, PatchModelRequest, UpdateModelRequest } from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failures, withExample } from './responses.ts'

const tags = ['Management']
const open = { additionalProperties: true } as const
const values = Type.Object({}, open)

const Registered = Type.Object(
  {
    model_id: Type.String(),
    model_name: Type.String(),
    litellm_params: described(values, 'Secrets are masked.') as typeof values,
    model_info: Type.Object({ id: Type.String(), db_model: Type.Literal(true) }, open),
    created_at: Type.String({ format: 'date-time' }),
    created_by: Type.String(),
    updated_at: Type.String({ format: 'date-time' }),
  },
  open,
)

const ModelInfoList = Type.Object({
  data: Type.Array(
    Type.Object({
      model_name: Type.String(),
      litellm_params: values,
      model_info: Type.Object({ id: Type.String(), db_model: Type.Boolean() }, open),
    }),
  ),
  left_out: Type.Array(Type.String(), { description: 'Added models that cannot serve, and why.' }),
})

const ModelGroupList = Type.Object({
  data: Type.Array(Type.Object({ model_group: Type.String(), providers: Type.Array(Type.String()) }, open)),
})

const example = {
  model_name: 'gpt-4o',
  litellm_params: { model: 'openai/gpt-4o', api_key: 'os.environ/OPENAI_API_KEY' },
}

export const managementBodies = {
  create: withExample(NewModelRequest, example),
  update: withExample(UpdateModelRequest, {
    model_info: { id: 'model_01m8k3v7w2q9r4t6y8z0a1b2c3' },
    litellm_params: { rpm: 600 },
  }),
  patch: withExample(PatchModelRequest, { litellm_params: { rpm: 600 } }),
  delete: withExample(DeleteModelRequest, { id: 'model_01m8k3v7w2q9r4t6y8z0a1b2c3' }),
} as const

const permission = { 403: { ...failures.forJob[401], description: 'This route needs an administrator key.' } }
const changes = { ...failures.forQuestion, ...permission }

export const managementDocs = {
  create: {
    operationId: 'newModel',
    summary: 'Add a model, without a restart',
    description:
      'One entry of `model_list`. It is checked as the file is, kept in the database, and served by every process within a moment. A `model_name` that exists gets one more deployment.',
    tags,
    response: { 200: described(Registered, 'Added.'), ...changes },
  },
  update: {
    operationId: 'updateModel',
    summary: 'Change an added model',
    description:
      '`model_info.id` names it. What is left out stays; null takes a parameter away. Models of the configuration file are changed there.',
    tags,
    response: { 200: described(Registered, 'Changed.'), ...changes },
  },
  patch: {
    operationId: 'patchModel',
    summary: 'Change an added model, by its id in the path',
    tags,
    params: Type.Object({ id: Type.String() }),
    response: { 200: described(Registered, 'Changed.'), ...changes },
  },
  delete: {
    operationId: 'deleteModel',
    summary: 'Delete an added model',
    description: 'Refused while a rule or a fallback of the configuration file names it.',
    tags,
    response: { 200: described(Type.Object({ message: Type.String() }), 'Deleted.'), ...changes },
  },
  info: {
    operationId: 'modelInfo',
    summary: 'The deployments, with what is known of them',
    tags,
    response: { 200: described(ModelInfoList, 'All, or the one with this id.'), ...changes },
  },
  groups: {
    operationId: 'modelGroupInfo',
    summary: 'The models, each over all of its deployments',
    tags,
    response: { 200: described(ModelGroupList, 'All, or the one of this name.'), ...failures.forList, ...permission },
  },
  reload: {
    operationId: 'reloadConfig',
    summary: 'Read the configuration again, in every process',
    description: 'On a fault everything stays as it is. Every process reads its own file.',
    tags,
    response: {
      200: described(Type.Object({ changed: Type.Boolean(), fingerprint: Type.String() }), 'It is in force.'),
      400: described(
        Type.Object({ error: values, faults: Type.Array(Type.String()) }),
        'The faults; the configuration before stays in force.',
      ),
      401: failures.forList[401],
      ...permission,
      503: failures.forList[503],
    },
  },
} as const
