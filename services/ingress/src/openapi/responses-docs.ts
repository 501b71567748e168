import {
  CreateResponseRequest,
  ListInputItemsQuery,
  ResponseDeleted,
  ResponseItemList,
  ResponseObject,
  RetrieveResponseQuery,
} from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failures, withExample } from './responses.ts'

const tags = ['OpenAI']
const params = Type.Object({ id: Type.String({ examples: ['resp_01m8k3v7w2q9r4t6y8z0a1b2c3'] }) })
const notFound = { 404: described(failures.forJob[404], "Response with id 'resp_…' not found.") }
const forOne = { 401: failures.forJob[401], ...notFound, 503: failures.forJob[503] }

export const responseBody = withExample(CreateResponseRequest, {
  model: 'llama3.1',
  instructions: 'Be brief.',
  input: 'Say hello.',
  background: true,
})

/** Documentation of `/v1/responses`, and what is checked of its paths and queries. */
export const responseDocs = {
  create: {
    operationId: 'createResponse',
    summary: 'A response: stored, in the background, streamed, or all of these',
    description:
      'Served by any backend that speaks chat completions. Stored (the default) it is committed before anything is answered, and goes on without its client. Tools are functions; parameters that are not listed are passed to the model.',
    tags,
    response: {
      200: described(ResponseObject, 'The response; with `stream: true` a stream of `response.*` events.'),
      ...failures.forQuestion,
      ...failures.forIdempotent,
    },
  },
  get: {
    operationId: 'getResponse',
    summary: 'A stored response, or its events',
    description:
      'With `stream=true` its events from the first one on, or those after `starting_after`, and then live. When their log is gone (an hour after the end) they are made of the result: one delta for each item.',
    tags,
    params,
    querystring: RetrieveResponseQuery,
    response: { 200: described(ResponseObject, 'The response.'), 400: failures.forList[400], ...forOne },
  },
  remove: {
    operationId: 'deleteResponse',
    summary: 'Deletes a response; one that goes on is cancelled',
    tags,
    params,
    response: { 200: described(ResponseDeleted, 'Deleted.'), ...forOne },
  },
  cancel: {
    operationId: 'cancelResponse',
    summary: 'Cancels a response; idempotent',
    tags,
    params,
    response: { 200: described(ResponseObject, 'The response as it is now.'), ...forOne },
  },
  inputItems: {
    operationId: 'listInputItems',
    summary: 'The items a response is an answer to',
    tags,
    params,
    querystring: ListInputItemsQuery,
    response: { 200: described(ResponseItemList, 'The newest first.'), 400: failures.forList[400], ...forOne },
  },
} as const
