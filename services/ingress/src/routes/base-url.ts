import type { FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'

/** What goes before the path of a URL in an answer, without a slash at its end. */
export function baseUrl(core: IngressCore, request: FastifyRequest): string {
  return core.options.publicUrl ?? `${request.protocol}://${request.host}`
}
