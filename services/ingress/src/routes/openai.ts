import type { JobSpec, Operation } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Acceptance, acceptDeferred, acceptInteractive } from '../accept.ts'
import { answerStream } from '../answer-stream.ts'
import { answerWhole } from '../answer-whole.ts'
import type { IngressCore } from '../dependencies.ts'
import { findAcceptedJob, findAnsweredJob, findJoinPoint, type JoinPoint } from '../earlier-job.ts'
import { idempotencyKeyOf, withIdempotency } from '../idempotency.ts'
import type { RequestBody } from '../job-spec.ts'
import { openAiBodies, openAiDocs } from '../openapi/openai-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { finishesOnDisconnect } from './on-disconnect.ts'
import { wants } from './prefer.ts'
import { replyAccepted, replyEarlier } from './reply-accepted.ts'
import { replyAnswer } from './reply-answer.ts'
import { replyStored } from './reply-stored.ts'
import { streamHeaders } from './stream-headers.ts'

const paths: readonly (readonly [Exclude<Operation, 'summary'>, string])[] = [
  ['chat', '/chat/completions'],
  ['text', '/completions'],
  ['embeddings', '/embeddings'],
]

/** The model is named by the path in these; a body that names one too has to agree with nobody, the path wins. */
const modelPrefixes = ['/openai/deployments/:model', '/engines/:model', '/v1/engines/:model']

/** `POST /v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, and the same under the paths of older clients. */
export function registerOpenAiRoutes(app: FastifyInstance, core: IngressCore): void {
  for (const [operation, path] of paths) {
    const body = openAiBodies[operation]
    const handler = (request: FastifyRequest, reply: FastifyReply) => answer(core, operation, request, reply)
    app.post(`/v1${path}`, { schema: { body, ...openAiDocs[operation] }, handler })
    app.post(path, { schema: { body, hide: true }, handler })
    for (const prefix of modelPrefixes) {
      app.post(`${prefix}${path}`, { schema: { body, hide: true }, preValidation: takeModelFromPath, handler })
    }
  }
}

async function answer(
  core: IngressCore,
  operation: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const identity = identityOf(request)
  const acceptance: Acceptance = {
    operation,
    request: request.body as RequestBody,
    identity,
    requestId: request.id,
    facts: request.facts,
    headers: request.headers,
  }
  const isDeferred = wants(request.headers, 'respond-async')
  const keepResult = finishesOnDisconnect(request) || idempotencyKeyOf(request) !== undefined
  return withIdempotency(core, request, reply, {
    scope: operation,
    createId: () => createId('job'),
    first(jobId) {
      if (isDeferred)
        return replyAccepted(core, acceptDeferred(core, { ...acceptance, jobId }), request, reply, 'result')
      return answerJob(core, acceptInteractive(core, { ...acceptance, jobId }, keepResult), request, reply)
    },
    find(jobId) {
      if (isDeferred) {
        return findAcceptedJob(core, jobId, identity.owner, (found) =>
          replyEarlier(core, found, request, reply, 'result'),
        )
      }
      return findAnsweredJob(core, jobId, identity.owner, async (found) => {
        if (found.kind === 'stored') return replyStored(found.job, request, reply)
        return answerJob(core, found.record.spec, request, reply, await findJoinPoint(core, found.record))
      })
    },
  })
}

/** On the connection: whole, or as a stream. */
async function answerJob(
  core: IngressCore,
  spec: JobSpec,
  request: FastifyRequest,
  reply: FastifyReply,
  join?: JoinPoint,
): Promise<unknown> {
  if ((request.body as RequestBody)['stream'] === true && spec.operation !== 'embeddings') {
    await answerStream(core, spec, reply.raw, streamHeaders(reply), request.facts, join)
    return reply.hijack()
  }
  return replyAnswer(reply, await answerWhole(core, spec, reply.raw, request.facts, join))
}

function takeModelFromPath(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { body } = request
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    const { model } = request.params as { model: string }
    request.body = { ...body, model }
  }
  done()
}
