import { QueueList, WorkerList } from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failures } from './responses.ts'

const tags = ['Operations']
const state = (description: string) => ({
  ...Type.Object({ status: Type.String() }, { additionalProperties: true }),
  description,
})
/** These need no key. */
const security: readonly Record<string, readonly string[]>[] = []

export const operationsDocs = {
  liveness: { summary: 'The process runs', tags, security, response: { 200: state('It does.') } },
  readiness: {
    summary: 'Requests can be served',
    description:
      'Redis and Postgres are asked. Without Postgres it is `degraded`: interactive requests without an `Idempotency-Key` are served, the rest gets 503.',
    tags,
    security,
    response: { 200: state('Ready, or degraded.'), 503: state('Not ready, or stopping; each part says how it is.') },
  },
  metrics: {
    summary: 'Metrics for Prometheus',
    tags,
    security,
    response: {
      200: { description: 'Text exposition format.', content: { 'text/plain': { schema: { type: 'string' } } } },
    },
  },
  queues: {
    operationId: 'listQueues',
    summary: 'The queue of every model class',
    description: 'For operators.',
    tags,
    response: { 200: described(QueueList, 'One for each class of the configuration.'), ...failures.forOperators },
  },
  workers: {
    operationId: 'listWorkers',
    summary: 'The workers that live',
    description: 'For operators. As each said at its last beat; one that is not heard of for a while is left out.',
    tags,
    response: { 200: described(WorkerList, 'By id.'), ...failures.forOperators },
  },
  health: {
    summary: 'Parts, queues, models, and a tiny request to every deployment',
    description:
      'For operators. Each deployment is called through its queue and a worker, as a client would be; results are kept for a while.',
    querystring: Type.Object({ model: Type.Optional(Type.String({ maxLength: 256 })) }),
    tags,
    response: { 200: state('All parts work.'), 503: state('A part does not.') },
  },
} as const
