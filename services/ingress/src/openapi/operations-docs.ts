import { Type } from 'typebox'

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
    description: 'Redis and Postgres are asked.',
    tags,
    security,
    response: { 200: state('Ready.'), 503: state('Not ready, or stopping; each part says how it is.') },
  },
  metrics: {
    summary: 'Metrics for Prometheus',
    tags,
    security,
    response: {
      200: { description: 'Text exposition format.', content: { 'text/plain': { schema: { type: 'string' } } } },
    },
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
