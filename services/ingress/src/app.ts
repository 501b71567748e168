import type { Socket } from 'node:net'
import { toEnvelope } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import fastify, { type ConnectionError, type FastifyInstance, type FastifyReply } from 'fastify'
import type { IngressCore } from './dependencies.ts'
import { parseJsonBody } from './json-body.ts'
import { requireKey } from './plugins/auth.ts'
import { registerDocs } from './plugins/docs.ts'
import { registerErrors } from './plugins/errors.ts'
import { registerOpenApi } from './plugins/openapi.ts'
import { registerRequestLog } from './plugins/request-log.ts'
import { registerAutoscaleRoutes } from './routes/autoscale.ts'
import { registerBatchRoutes } from './routes/batches.ts'
import { registerCostRoutes } from './routes/cost.ts'
import { registerExplainRoute } from './routes/explain.ts'
import { registerFileRoutes } from './routes/files.ts'
import { registerJobBatchRoute } from './routes/job-batch.ts'
import { registerJobEventRoute } from './routes/job-events.ts'
import { readerOfSignedUrl, registerJobEventsUrlRoute } from './routes/job-events-url.ts'
import { registerJobRetryRoute } from './routes/job-retry.ts'
import { registerJobRoutes } from './routes/jobs.ts'
import { registerManagementRoutes } from './routes/management.ts'
import { registerMessageRoutes } from './routes/messages.ts'
import { registerModelRoutes } from './routes/models.ts'
import { registerOpenAiRoutes } from './routes/openai.ts'
import { registerOperationsRoutes } from './routes/operations.ts'
import { registerQueueRoutes } from './routes/queues.ts'
import { registerResponseRoutes } from './routes/responses.ts'
import { registerWebhookRoutes } from './routes/webhooks.ts'
import { registerWorkerRoutes } from './routes/workers.ts'
import { createValidation, formatSchemaErrors } from './validation.ts'

/** Idle connections are kept a little longer than load balancers do (60 s), so that it is they who close. */
const keepAliveTimeoutMs = 72_000
/** A request's head and body have to arrive within this. */
const requestTimeoutMs = 120_000

/** The whole HTTP face, without a socket. Ready to listen, or for `routing`. */
export async function createApp(core: IngressCore): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: core.config().limits.bodyBytes,
    trustProxy: core.options.trustProxy,
    requestIdHeader: false,
    genReqId: (raw) => requestIdOf(raw.headers['x-request-id']),
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // The server part closes connections itself: readers first, by saying goodbye.
    forceCloseConnections: false,
    return503OnClosing: false,
    clientErrorHandler: refuseMalformed,
    frameworkErrors: refuseUrl,
    schemaErrorFormatter: formatSchemaErrors,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 256 },
  })
  const validation = createValidation()
  app.setValidatorCompiler(validation.compiler)
  // Answers are made of typed values; a serializer that drops or converts would only hide a mistake.
  app.setSerializerCompiler(() => JSON.stringify)
  takeJson(app)
  registerRequestLog(app, core)
  registerErrors(app, core.log)
  await registerOpenApi(app)
  registerDocs(app)
  registerOperationsRoutes(app, core)
  registerQueueRoutes(app, core)
  registerWorkerRoutes(app, core)
  registerAutoscaleRoutes(app, core)
  await app.register(async (guarded) => {
    requireKey(guarded, core.authenticator)
    registerModelRoutes(guarded, core)
    registerCostRoutes(guarded, core)
    registerManagementRoutes(guarded, core)
    registerOpenAiRoutes(guarded, core)
    registerResponseRoutes(guarded, core, validation)
    registerMessageRoutes(guarded, core)
    registerExplainRoute(guarded, core, validation)
    registerJobRoutes(guarded, core, validation)
    registerJobBatchRoute(guarded, core, validation)
    registerJobRetryRoute(guarded, core)
    registerJobEventsUrlRoute(guarded, core)
    registerWebhookRoutes(guarded, core)
    registerFileRoutes(guarded, core)
    registerBatchRoutes(guarded, core)
  })
  await app.register(async (readers) => {
    requireKey(readers, core.authenticator, readerOfSignedUrl(core))
    registerJobEventRoute(readers, core)
  })
  await app.ready()
  return app
}

/** A path that no route can have: no hook and no handler gets to see such a request. */
function refuseUrl(_error: Error, request: { readonly id: string }, reply: FastifyReply): void {
  const envelope = toEnvelope({ code: 'invalid_value', message: 'The URL of the request is not valid.' })
  reply
    .code(400)
    .header('x-request-id', request.id)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(envelope))
}

/** What is no HTTP gets an answer in the envelope all the same, and the connection is closed. */
function refuseMalformed(error: ConnectionError, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const message = tooLarge ? 'The headers of the request are too large.' : 'The request is not valid HTTP.'
  const body = JSON.stringify(toEnvelope({ code: 'invalid_value', message }))
  const status = tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

/**
 * JSON and nothing else (Fastify would take text too). Many clients say `content-type: application/json` and send nothing;
 * a route that needs a body says so itself.
 */
function takeJson(app: FastifyInstance): void {
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) =>
    parseJsonBody(body),
  )
}

/** The client's request id where it is one, else a new one. */
function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : createId('req')
}
