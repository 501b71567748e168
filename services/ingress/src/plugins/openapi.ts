import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { documentInfo } from '../openapi/document.ts'

/** Gathers the schemas of all routes registered after it, and serves them as OpenAPI 3.1 at /openapi.json. */
export async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, { openapi: documentInfo, hideUntagged: true })
  let text: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    text ??= JSON.stringify(app.swagger())
    return reply.type('application/json; charset=utf-8').send(text)
  })
}
