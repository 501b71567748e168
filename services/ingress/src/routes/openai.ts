import type { Operation } from '@inferq/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Acceptance, acceptDeferred, acceptInteractive } from '../accept.ts'
import { answerStream } from '../answer-stream.ts'
import { answerWhole } from '../answer-whole.ts'
import type { IngressCore } from '../dependencies.ts'
import type { RequestBody } from '../job-spec.ts'
import { openAiBodies, openAiDocs } from '../openapi/openai-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { wants } from './prefer.ts'
import { replyAccepted } from './reply-accepted.ts'
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
  const acceptance: Acceptance = {
    operation,
    request: request.body as RequestBody,
    identity: identityOf(request),
    requestId: request.id,
    facts: request.facts,
    headers: request.headers,
  }
  if (wants(request.headers, 'respond-async')) {
    return replyAccepted(core, acceptDeferred(core, acceptance), request, reply)
  }
  const keepResult = request.headers['x-inferq-on-disconnect'] === 'finish'
  const spec = acceptInteractive(core, acceptance, keepResult)
  if (spec.stream) {
    await answerStream(core, spec, reply.raw, streamHeaders(reply), request.facts)
    return reply.hijack()
  }
  const answered = await answerWhole(core, spec, reply.raw, request.facts)
  if (answered.kind === 'disconnected') return reply.hijack()
  reply.headers(answered.headers).type('application/json; charset=utf-8')
  return answered.body
}

function takeModelFromPath(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { body } = request
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    const { model } = request.params as { model: string }
    request.body = { ...body, model }
  }
  done()
}
