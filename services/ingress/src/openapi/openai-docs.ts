import { JobView, Model, ModelList } from '@inferq/contracts'
import { Type } from 'typebox'
import { requestSchemas } from '../validation.ts'
import { answers, described, failures, withExample } from './responses.ts'

const tags = ['OpenAI']
const deferred = { 202: described(JobView, 'With `Prefer: respond-async`: accepted as an asynchronous job.') }

/** Documentation of the OpenAI-compatible routes; their request bodies are the contracts' own. */
export const openAiDocs = {
  chat: {
    operationId: 'createChatCompletion',
    summary: 'Chat completion, streamed or not',
    description:
      'Parameters that are not listed are passed to the model. While a stream waits, comments such as `: queued position=3 eta_s=4.2` keep it alive.',
    tags,
    response: { 200: answers.chat, ...deferred, ...failures.forQuestion, ...failures.forIdempotent },
  },
  text: {
    operationId: 'createCompletion',
    summary: 'Text completion, streamed or not',
    tags,
    response: { 200: answers.text, ...deferred, ...failures.forQuestion, ...failures.forIdempotent },
  },
  embeddings: {
    operationId: 'createEmbeddings',
    summary: 'Embeddings',
    tags,
    response: { 200: answers.embeddings, ...deferred, ...failures.forQuestion, ...failures.forIdempotent },
  },
} as const

/** Request bodies with an example; the schema stays the contracts'. */
export const openAiBodies = {
  chat: withExample(requestSchemas.chat, {
    model: 'llama3.1',
    messages: [{ role: 'user', content: 'Say hello.' }],
    stream: true,
    stream_options: { include_usage: true },
  }),
  text: withExample(requestSchemas.text, { model: 'llama3.1', prompt: 'Once upon a time', max_tokens: 50 }),
  embeddings: withExample(requestSchemas.embeddings, { model: 'nomic-embed-text', input: ['a text', 'another one'] }),
} as const

export const modelDocs = {
  list: {
    operationId: 'listModels',
    summary: 'Models that may be called',
    description:
      'With the header `anthropic-version`: as Anthropic lists them, with `limit`, `after_id` and `before_id`.',
    tags,
    response: { 200: described(ModelList, 'All models.'), 401: failures.forList[401] },
  },
  one: {
    operationId: 'getModel',
    summary: 'One model',
    tags,
    params: Type.Object({ model: Type.String({ description: 'Name of the model; may hold slashes.' }) }),
    response: { 200: described(Model, 'The model.'), 401: failures.forList[401], 404: failures.forQuestion[404] },
  },
} as const
