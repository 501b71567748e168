import type { Socket } from 'node:net'
import { toEnvelope } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import fastify, { type ConnectionError, type FastifyInstance } from 'fastify'
import type { IngressCore } from './dependencies.ts'
import { requireKey } from './plugins/auth.ts'
import { registerDocs } from './plugins/docs.ts'
import { registerErrors } from './plugins/errors.ts'
import { registerOpenApi } from './plugins/openapi.ts'
import { registerRequestLog } from './plugins/request-log.ts'
import { registerCostRoutes } from './routes/cost.ts'
import { registerExplainRoute } from './routes/explain.ts'
import { registerJobEventRoute } from './routes/job-events.ts'
import { registerJobRoutes } from './routes/jobs.ts'
import { registerManagementRoutes } from './routes/management.ts'
import { registerModelRoutes } from './routes/models.ts'
import { registerOpenAiRoutes } from './routes/openai.ts'
import { registerOperationsRoutes } from './routes/operations.ts'
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
  await app.register(async (guarded) => {
    requireKey(guarded, core.authenticator)
    registerModelRoutes(guarded, core)
    registerCostRoutes(guarded, core)
    registerManagementRoutes(guarded, core)
    registerOpenAiRoutes(guarded, core)
    registerExplainRoute(guarded, core, validation)
    registerJobRoutes(guarded, core, validation)
    registerJobEventRoute(guarded, core)
  })
  await app.ready()
  return app
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
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else void parse(request, body.toString(), done)
  })
}

/** The client's request id where it is one, else a new one. */
function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : createId('req')
}
