import type { FastifyInstance, FastifyReply } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import type { DeploymentCheck } from '../deployment-checks.ts'
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
    core.readinessAskedAt = core.clock.monotonic()
    const checks = await runChecks(core)
    return replyReady(core, reply, checks, { checks: withoutErrors(checks) })
  })
  app.get('/metrics', { schema: operationsDocs.metrics }, async (_request, reply) =>
    reply.type(core.registry.contentType).send(await core.registry.render()),
  )
  app.register(async (admin) => {
    requireKey(admin, core.authenticator)
    requireAdmin(admin)
    admin.get('/health', { schema: operationsDocs.health }, async (request, reply) => {
      const { model } = request.query as { model?: string }
      const [checks, called] = await Promise.all([runChecks(core), core.deploymentChecks.run(model)])
      const classes = await Promise.all(
        Object.keys(core.config().classes).map(async (name) => core.queue.depth(name).catch(() => ({ class: name }))),
      )
      const models = core.config().models.map(({ name, deployments }) => ({ name, deployments: deployments.length }))
      const streams = { waiting_clients: core.exchanges.size, event_readers: core.readers.size }
      const healthy = called.filter((check) => check.healthy).map((check) => viewOfCheck(core, check))
      const unhealthy = called.filter((check) => !check.healthy).map((check) => viewOfCheck(core, check))
      return replyReady(core, reply, checks, {
        checks,
        classes,
        models,
        streams,
        fingerprint: core.config().fingerprint,
        healthy_endpoints: healthy,
        unhealthy_endpoints: unhealthy,
        healthy_count: healthy.length,
        unhealthy_count: unhealthy.length,
      })
    })
  })
}

function replyReady(
  core: IngressCore,
  reply: FastifyReply,
  checks: Readonly<Record<string, CheckView>>,
  body: object,
): FastifyReply {
  const failing = core.checks.filter(({ name }) => checks[name]?.status !== 'ok')
  const status = core.stopping
    ? 'stopping'
    : failing.length === 0
      ? 'ready'
      : failing.some(({ needed }) => needed)
        ? 'not_ready'
        : 'degraded'
  if (status === 'stopping' || status === 'not_ready') reply.code(503).header('retry-after', 1)
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

/** One endpoint, in LiteLLM's words and ours. */
function viewOfCheck(core: IngressCore, check: DeploymentCheck): object {
  const { deployment, latencyMs, errorCode, error } = check
  return {
    deployment: deployment.id,
    model_group: deployment.model,
    model: `${deployment.provider}/${deployment.upstreamModel}`,
    class: deployment.class,
    circuit: core.health.circuit(deployment.id),
    latency_ms: Math.round(latencyMs),
    ...(error === undefined ? {} : { error_code: errorCode, error }),
  }
}

/** What anyone may know: an error's text may name hosts. */
function withoutErrors(checks: Readonly<Record<string, CheckView>>): Readonly<Record<string, CheckView>> {
  return Object.fromEntries(Object.entries(checks).map(([name, { error: _error, ...rest }]) => [name, rest]))
}
