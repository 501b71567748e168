import type { Clock } from '@inferq/runtime'
import type { InferqMetrics, Logger } from '@inferq/telemetry'
import type { FastifyInstance } from 'fastify'
import type { RequestFacts } from '../request-facts.ts'

/** Headers of every answer: nothing of it is a page, a script or a frame. */
const securityHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** What is asked for too often to be worth a line each. */
const quietRoutes = new Set(['/health/liveliness', '/health/liveness', '/health/readiness', '/metrics'])
/** The client went away before its answer. nginx's code; there is no standard one. */
const clientClosed = 499

/** Facts, headers, and one line and two metrics for each request, once its answer (or its connection) is over. */
export function registerRequestLog(
  app: FastifyInstance,
  parts: { readonly log: Logger; readonly metrics: InferqMetrics; readonly clock: Clock; readonly stopping: boolean },
): void {
  const { log, metrics, clock } = parts
  app.decorateRequest('facts', null as unknown as RequestFacts)
  app.addHook('onRequest', (request, reply, done) => {
    const facts: RequestFacts = { startedAt: clock.monotonic() }
    request.facts = facts
    reply.header('x-request-id', request.id).headers(securityHeaders)
    if (parts.stopping) reply.header('connection', 'close')
    const { raw } = reply
    raw.once('close', () => {
      const route = request.routeOptions.url ?? 'none'
      const { method, id } = request
      const status = raw.writableFinished ? raw.statusCode : clientClosed
      const latencyMs = clock.monotonic() - facts.startedAt
      metrics.httpRequests.with({ route, method, status: String(status) }).inc()
      metrics.httpRequestSeconds.with({ route }).observe(latencyMs / 1000)
      if (quietRoutes.has(route) && status < 400) return
      log.info(lineOf(facts, { requestId: id, route, method, status, latencyMs }), 'request-end')
    })
    done()
  })
}

function lineOf(
  facts: RequestFacts,
  answer: { requestId: string; route: string; method: string; status: number; latencyMs: number },
): object {
  const { requestId, route, method, status, latencyMs } = answer
  const { promptTokens, completionTokens } = facts
  const errorCode = facts.errorCode ?? (status === clientClosed ? 'client_closed' : undefined)
  return {
    requestId,
    jobId: facts.jobId,
    route,
    method,
    status,
    model: facts.model,
    rule: facts.route?.rule,
    variant: facts.route?.variant,
    promptTokens,
    completionTokens,
    totalTokens: promptTokens === undefined ? undefined : promptTokens + (completionTokens ?? 0),
    latencyMs: round(latencyMs),
    ttftMs: facts.ttftMs === undefined ? undefined : round(facts.ttftMs),
    success: status < 400 && errorCode === undefined,
    errorCode,
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
