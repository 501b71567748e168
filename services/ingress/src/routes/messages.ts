import type { CountTokensRequest, JobSpec, MessagesRequest } from '@inferq/contracts'
import { estimatePromptTokens } from '@inferq/routing'
import { createId } from '@inferq/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Acceptance, acceptDeferred, acceptInteractive } from '../accept.ts'
import { answerStream } from '../answer-stream.ts'
import { answerWhole } from '../answer-whole.ts'
import { createAnthropicDialect } from '../anthropic/dialect.ts'
import { toChatPrompt, toChatRequest } from '../anthropic/request.ts'
import { unknownModel } from '../cost-question.ts'
import type { IngressCore } from '../dependencies.ts'
import type { AnswerDialect } from '../dialects/answer-dialect.ts'
import { findAcceptedJob, findAnsweredJob, findJoinPoint, type JoinPoint } from '../earlier-job.ts'
import { idempotencyKeyOf, withIdempotency } from '../idempotency.ts'
import { createKnownModels } from '../known-models.ts'
import { anthropicBodies, anthropicDocs } from '../openapi/anthropic-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { finishesOnDisconnect } from './on-disconnect.ts'
import { wants } from './prefer.ts'
import { replyAccepted, replyEarlier } from './reply-accepted.ts'
import { replyAnswer } from './reply-answer.ts'
import { replyStored } from './reply-stored.ts'
import { streamHeaders } from './stream-headers.ts'

/**
 * `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's dialect over the same jobs as a chat completion's. The
 * headers `anthropic-version` and `anthropic-beta` are taken and change nothing.
 */
export function registerMessageRoutes(app: FastifyInstance, core: IngressCore): void {
  const models = createKnownModels(core.config)
  app.post(
    '/v1/messages',
    { schema: { body: anthropicBodies.messages, ...anthropicDocs.messages } },
    (request, reply) => answer(core, request, reply),
  )
  app.post(
    '/v1/messages/count_tokens',
    { schema: { body: anthropicBodies.countTokens, ...anthropicDocs.countTokens } },
    async (request, reply) => {
      reply.header('request-id', request.id)
      const body = request.body as CountTokensRequest
      const chat = toChatPrompt(body)
      if (models.find(body.model) === undefined) unknownModel(body.model, 'model')
      return { input_tokens: Math.ceil(estimatePromptTokens(chat)) }
    },
  )
}

async function answer(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  // Under this name Anthropic's SDKs look for it.
  reply.header('request-id', request.id)
  const identity = identityOf(request)
  const chat = toChatRequest(request.body as MessagesRequest)
  const dialect = createAnthropicDialect(chat, request.id)
  const { facts, headers, id: requestId } = request
  const acceptance: Acceptance = { operation: 'chat', request: chat, identity, requestId, facts, headers }
  const isDeferred = wants(headers, 'respond-async')
  const keepResult = finishesOnDisconnect(request) || idempotencyKeyOf(request) !== undefined
  return withIdempotency(core, request, reply, {
    scope: 'messages',
    createId: () => createId('job'),
    first(jobId) {
      if (isDeferred) {
        return replyAccepted(core, acceptDeferred(core, { ...acceptance, jobId }), request, reply, dialect)
      }
      return answerJob(core, acceptInteractive(core, { ...acceptance, jobId }, keepResult), dialect, request, reply)
    },
    find(jobId) {
      if (isDeferred) {
        return findAcceptedJob(core, jobId, identity.owner, (found) =>
          replyEarlier(core, found, request, reply, dialect),
        )
      }
      return findAnsweredJob(core, jobId, identity.owner, async (found) => {
        if (found.kind === 'stored') return replyStored(found.job, request, reply, dialect)
        const { record } = found
        return answerJob(core, record.spec, dialect, request, reply, await findJoinPoint(core, record))
      })
    },
  })
}

async function answerJob(
  core: IngressCore,
  spec: JobSpec,
  dialect: AnswerDialect,
  request: FastifyRequest,
  reply: FastifyReply,
  join?: JoinPoint,
): Promise<unknown> {
  if ((request.body as MessagesRequest).stream === true) {
    await answerStream(core, spec, reply.raw, streamHeaders(reply), request.facts, join, dialect)
    return reply.hijack()
  }
  return replyAnswer(reply, await answerWhole(core, spec, reply.raw, request.facts, join, dialect))
}
