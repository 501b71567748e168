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
    summary: 'Parts, queues and models',
    description: 'For operators.',
    tags,
    response: { 200: state('All parts work.'), 503: state('A part does not.') },
  },
} as const
