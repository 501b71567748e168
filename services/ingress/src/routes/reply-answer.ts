import type { FastifyReply } from 'fastify'
import type { WholeAnswer } from '../answer-whole.ts'
import { streamHeaders } from './stream-headers.ts'

/**
 * Sends the whole answer of a job. Written past Fastify, as streams are: it would take up each of some twenty headers one by
 * one, and look through a text that is ready to be sent.
 */
export function replyAnswer(reply: FastifyReply, answered: WholeAnswer): FastifyReply {
  reply.hijack()
  if (answered.kind === 'disconnected') return reply
  const { headers, body } = answered
  reply.raw.writeHead(200, {
    ...streamHeaders(reply),
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  })
  reply.raw.end(body)
  return reply
}
