import { AutoscaleList, AutoscaleView, WorkerView } from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failure, failures } from './responses.ts'

const tags = ['Operations']
const noWorker = { 404: failure('worker_not_found', "No such worker: 'gpu-node-1-gpu0'.") }
const noClass = { 404: failure('class_not_found', "No such class: 'x'.", 'class') }
const { 400: invalid } = failures.forQuestion
const workerPath = Type.Object({ id: Type.String({ examples: ['gpu-node-1-gpu0'] }) })

/** Documentation of draining and scaling workers. */
export const scalingDocs = {
  drain: {
    operationId: 'drainWorker',
    summary: 'Tell a worker to take nothing new',
    description:
      'For operators. Its jobs end; when they have, its state is `drained`. It stands until it is resumed, also for a process that is started again under this id. A second call changes nothing.',
    tags,
    params: workerPath,
    response: {
      202: described(WorkerView, 'It is told: within a moment, or with its next beat.'),
      ...failures.forOperators,
      ...noWorker,
    },
  },
  resume: {
    operationId: 'resumeWorker',
    summary: 'Let a drained worker work again',
    description: 'For operators. A second call changes nothing.',
    tags,
    params: workerPath,
    response: { 202: described(WorkerView, 'It is told.'), ...failures.forOperators, ...noWorker },
  },
  autoscale: {
    operationId: 'autoscale',
    summary: 'How many workers each model class should have',
    description: 'For operators and autoscalers.',
    tags,
    response: { 200: described(AutoscaleList, 'By class.'), 400: invalid, ...failures.forOperators },
  },
  autoscaleClass: {
    operationId: 'autoscaleClass',
    summary: 'How many workers a model class should have',
    description:
      'For operators and autoscalers (KEDA: `metrics-api` with `valueLocation: desired` and `targetValue: "1"`). From what waits and runs, how long a job takes, and the age of the oldest.',
    tags,
    params: Type.Object({ class: Type.String({ examples: ['llama3.1'] }) }),
    response: { 200: described(AutoscaleView, 'What it needs.'), 400: invalid, ...failures.forOperators, ...noClass },
  },
} as const
