import { BatchList, BatchObject, CreateBatchRequest } from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failure, failures, withExample } from './responses.ts'

const tags = ['OpenAI']
const params = Type.Object({ id: Type.String({ examples: ['batch_01m8k3v7w2q9r4t6y8z0a1b2c3'] }) })
const ofBatch = {
  401: failures.forList[401],
  404: failure('batch_not_found', "No such batch: 'batch_…'."),
  503: failures.forList[503],
}

export const createBody = withExample(CreateBatchRequest, {
  input_file_id: 'file-01m8k3v7w2q9r4t6y8z0a1b2c3',
  endpoint: '/v1/chat/completions',
  completion_window: '24h',
})

/** Documentation of the routes of batches, and what is checked of their paths. */
export const batchDocs = {
  create: {
    operationId: 'createBatch',
    summary: 'Run every request of a file',
    description:
      'Each line of the file is a request that runs when there is nothing more urgent. The file is checked first: one bad line fails the batch, and `errors` names up to a hundred of them.',
    tags,
    response: {
      200: described(BatchObject, 'The batch, which is being validated.'),
      ...failures.forList,
      403: failures.forQuestion[403],
      404: failure('file_not_found', "No such file: 'file-…'.", 'input_file_id'),
      ...failures.forIdempotent,
    },
  },
  list: {
    operationId: 'listBatches',
    summary: 'Your batches, newest first',
    tags,
    response: { 200: described(BatchList, 'A page of batches.'), ...failures.forList },
  },
  get: {
    operationId: 'getBatch',
    summary: 'A batch',
    tags,
    params,
    response: { 200: described(BatchObject, 'The batch as it is now.'), ...ofBatch },
  },
  cancel: {
    operationId: 'cancelBatch',
    summary: 'Cancel a batch',
    description: 'Requests that run come to their end; no other starts. What was answered is in the output file.',
    tags,
    params,
    response: {
      200: described(BatchObject, 'The batch, `cancelling` until its output is written.'),
      ...ofBatch,
      409: failure('conflict', 'Cannot cancel a batch that is completed.'),
    },
  },
} as const
