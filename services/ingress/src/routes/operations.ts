import type { FastifyInstance, FastifyReply } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { operationsDocs } from '../openapi/operations-docs.ts'
import { requireAdmin, requireKey } from '../plugins/auth.ts'

interface CheckView {
  readonly status: 'ok' | 'failing'
  readonly latency_ms?: number
  readonly error?: string
}

/** Health and metrics. Only the summary needs a key. */
export function registerOperationsRoutes(app: FastifyInstance, core: IngressCore): void {
  for (const path of ['/health/liveliness', '/health/liveness']) {
    app.get(path, { schema: operationsDocs.liveness }, async () => ({ status: 'alive' }))
  }
  app.get('/health/readiness', { schema: operationsDocs.readiness }, async (_request, reply) => {
    const checks = await runChecks(core)
    return replyReady(core, reply, checks, { checks: withoutErrors(checks) })
  })
  app.get('/metrics', { schema: operationsDocs.metrics }, async (_request, reply) =>
    reply.type(core.registry.contentType).send(await core.registry.render()),
  )
  app.register(async (admin) => {
    requireKey(admin, core.authenticator)
    requireAdmin(admin)
    admin.get('/health', { schema: operationsDocs.health }, async (_request, reply) => {
      const checks = await runChecks(core)
      const classes = await Promise.all(
        Object.keys(core.config().classes).map(async (name) => core.queue.depth(name).catch(() => ({ class: name }))),
      )
      const models = core.config().models.map(({ name, deployments }) => ({ name, deployments: deployments.length }))
      const streams = { waiting_clients: core.exchanges.size, event_readers: core.readers.size }
      return replyReady(core, reply, checks, { checks, classes, models, streams })
    })
  })
}

function replyReady(
  core: IngressCore,
  reply: FastifyReply,
  checks: Readonly<Record<string, CheckView>>,
  body: object,
): FastifyReply {
  const failing = Object.values(checks).some(({ status }) => status !== 'ok')
  const status = core.stopping ? 'stopping' : failing ? 'not_ready' : 'ready'
  if (status !== 'ready') reply.code(503).header('retry-after', 1)
  return reply.send({ status, ...body })
}

async function runChecks(core: IngressCore): Promise<Readonly<Record<string, CheckView>>> {
  const views = await Promise.all(
    core.checks.map(async (check): Promise<readonly [string, CheckView]> => {
      const result = await check.run()
      if (!result.ok) return [check.name, { status: 'failing', error: result.error }]
      return [check.name, { status: 'ok', latency_ms: Math.round(result.latencyMs * 10) / 10 }]
    }),
  )
  return Object.fromEntries(views)
}

/** What anyone may know: an error's text may name hosts. */
function withoutErrors(checks: Readonly<Record<string, CheckView>>): Readonly<Record<string, CheckView>> {
  return Object.fromEntries(Object.entries(checks).map(([name, { error: _error, ...rest }]) => [name, rest]))
}
