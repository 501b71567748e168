import { Type } from 'typebox'

/** The body is checked by its kind, as on the route it is meant for. */
export const explainDocs = {
  summary: 'What would become of this request, and why',
  description:
    'Takes the body (and the headers) of a chat completion, a completion, embeddings or a summarization, and decides with the very code that serves them. Nothing is queued. For operators.',
  tags: ['Routing'],
  body: Type.Object({}, { additionalProperties: true }),
  response: {
    200: {
      ...Type.Object({ object: Type.Literal('route.explanation') }, { additionalProperties: true }),
      description:
        'The decision; the facts it was made of; rules matched and skipped; every deployment with its circuit, its price for this request and why it is in or out; the chain of fallbacks.',
    },
  },
} as const
