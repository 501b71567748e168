import type { StoredJob } from '@inferq/store'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { storedHeaders } from '../answer-headers.ts'
import { type AnswerDialect, openAiDialect } from '../dialects/answer-dialect.ts'
import { endOfStored } from '../dialects/event-format.ts'
import { resultOf } from '../job-end.ts'
import type { RequestBody } from '../job-spec.ts'
import { sseHeaders } from '../sse.ts'

/** The answer of a job that completed, from the record of truth: whole, or as the stream it would be. */
export async function replyStored(
  job: StoredJob,
  request: FastifyRequest,
  reply: FastifyReply,
  dialect: AnswerDialect = openAiDialect(request.body as RequestBody),
): Promise<unknown> {
  const body = request.body as RequestBody
  const end = endOfStored(job)
  const result = resultOf(job.status, end)
  request.facts.jobId = job.id
  request.facts.model = job.model
  reply.headers(storedHeaders(job))
  if (body['stream'] !== true || job.operation === 'embeddings') {
    reply.type('application/json; charset=utf-8')
    return JSON.stringify(dialect.body(job, result, end))
  }
  return reply.headers(sseHeaders).send(dialect.encoder(job).end(end))
}
