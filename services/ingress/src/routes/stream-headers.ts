import type { FastifyReply } from 'fastify'
import type { Headers } from '../answer-headers.ts'

/** What Fastify has gathered for this answer, for one that is written past it. */
export function streamHeaders(reply: FastifyReply): Headers {
  return reply.getHeaders() as Headers
}
