import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'

/** What the document says beside its routes. */
export const documentInfo: NonNullable<FastifyDynamicSwaggerOptions['openapi']> = {
  openapi: '3.1.0',
  info: {
    title: 'inferq',
    version: '1',
    description:
      'A self-hosted inference queue with the face of an LLM gateway. OpenAI clients work unchanged; every request is a job in a queue, and its tokens can be read again from any position.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  tags: [
    { name: 'OpenAI', description: 'Compatible with the OpenAI API; also without the `/v1` prefix.' },
    { name: 'Anthropic', description: "Compatible with Anthropic's Messages API." },
    { name: 'Jobs', description: 'Asynchronous jobs and their events.' },
    { name: 'Webhooks', description: 'Notices of the ends of jobs, by Standard Webhooks.' },
    { name: 'Management', description: 'Models at run time, and the configuration. Administrator key.' },
    { name: 'Operations', description: 'Health and metrics.' },
  ],
  components: {
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer', description: '`Authorization: Bearer <key>`' },
      apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
    },
  },
  security: [{ bearer: [] }, { apiKey: [] }],
}
