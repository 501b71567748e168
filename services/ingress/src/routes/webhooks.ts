import {
  InferqError,
  type ListDeliveriesQuery,
  ListDeliveriesQuery as ListDeliveriesQuerySchema,
  type NewWebhookSecret,
  RotateSecretRequest as RotateSecretBody,
  type RotateSecretRequest,
  type WebhookDeliveryView,
} from '@inferq/contracts'
import type { WebhookAttempt, WebhookDelivery } from '@inferq/store'
import type { ShownSecret } from '@inferq/webhooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { findJob } from '../find-job.ts'
import { webhookDocs } from '../openapi/webhook-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { jobIdOf } from './jobs.ts'

const defaultGraceSeconds = 86_400
/** Ids that the store makes of those of jobs. */
const deliveryIdPattern = /^whd_[\w-]{1,80}$/

/** Deliveries of webhooks, and the secrets that sign them; always the caller's own. */
export function registerWebhookRoutes(app: FastifyInstance, core: IngressCore): void {
  app.get('/v1/jobs/:id/webhook-deliveries', { schema: webhookDocs.ofJob }, (request) => jobDeliveries(core, request))
  const querystring = ListDeliveriesQuerySchema
  app.get('/v1/webhooks/deliveries', { schema: { querystring, ...webhookDocs.list } }, (request) =>
    listDeliveries(core, request),
  )
  app.post('/v1/webhooks/deliveries/:id/replay', { schema: webhookDocs.replay }, (request, reply) =>
    postReplay(core, request, reply),
  )
  registerSecretRoutes(app, core)
}

function registerSecretRoutes(app: FastifyInstance, core: IngressCore): void {
  app.get('/v1/webhooks/secret', { schema: webhookDocs.secrets }, async (request) => {
    const secrets = await core.webhookSecrets.list(identityOf(request).owner)
    const data = secrets.map(({ id, createdAt, expiresAt }) => ({
      id,
      created_at: createdAt / 1000,
      expires_at: toSeconds(expiresAt),
    }))
    return { object: 'webhook.secret', data }
  })
  app.post('/v1/webhooks/secret', { schema: webhookDocs.show }, async (request, reply) =>
    sendSecret(reply, await core.webhookSecrets.show(identityOf(request).owner)),
  )
  const schema = { body: RotateSecretBody, ...webhookDocs.rotate }
  app.post('/v1/webhooks/secret/rotate', { schema, preValidation: allowNoBody }, async (request, reply) => {
    const { grace_s: graceSeconds = defaultGraceSeconds } = request.body as RotateSecretRequest
    return sendSecret(reply, await core.webhookSecrets.rotate(identityOf(request).owner, graceSeconds * 1000))
  })
}

/** All of a rotation has a default. */
async function allowNoBody(request: FastifyRequest): Promise<void> {
  if (request.body === undefined || request.body === null) request.body = {}
}

/** Neither a cache nor a log may keep it. */
function sendSecret(reply: FastifyReply, shown: ShownSecret): FastifyReply {
  const body: NewWebhookSecret = {
    object: 'webhook.secret',
    id: shown.id,
    secret: shown.secret,
    created_at: shown.createdAt / 1000,
    previous_expires_at: toSeconds(shown.previousExpiresAt),
  }
  return reply.code(201).header('cache-control', 'no-store').send(body)
}

async function jobDeliveries(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { owner } = identityOf(request)
  const jobId = jobIdOf(request)
  const deliveries = await core.store.jobDeliveries(jobId, owner)
  // None: nobody is to be told, it has not ended yet, or there is no such job; only the last is an error.
  if (deliveries.length === 0) await findJob(core, jobId, owner)
  const data = deliveries.map((delivery) => ({ ...viewOf(delivery), attempt_log: delivery.log.map(viewOfAttempt) }))
  return { object: 'list', data, has_more: false, next: null }
}

async function listDeliveries(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { limit = 20, ...filters } = request.query as ListDeliveriesQuery
  const page = await core.store.listDeliveries(identityOf(request).owner, { limit, ...filters })
  return { object: 'list', data: page.deliveries.map(viewOf), has_more: page.next !== null, next: page.next }
}

async function postReplay(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { id } = request.params as { readonly id: string }
  const { owner } = identityOf(request)
  const delivery = deliveryIdPattern.test(id) ? await core.store.replayDelivery(id, owner) : null
  if (delivery === null) {
    throw new InferqError({ code: 'delivery_not_found', message: `No such delivery: '${id.slice(0, 90)}'.` })
  }
  return reply.code(202).send(viewOf(delivery))
}

function viewOf(delivery: WebhookDelivery): WebhookDeliveryView {
  return {
    id: delivery.id,
    object: 'webhook.delivery',
    job_id: delivery.jobId,
    event: delivery.event,
    url: delivery.url,
    state: delivery.state,
    attempts: delivery.attempts,
    next_attempt_at: toSeconds(delivery.nextAt),
    last_status: delivery.lastStatus,
    last_error: delivery.lastError,
    created_at: delivery.createdAt / 1000,
    delivered_at: toSeconds(delivery.deliveredAt),
  }
}

function viewOfAttempt(attempt: WebhookAttempt): NonNullable<WebhookDeliveryView['attempt_log']>[number] {
  const { attempt: number, startedAt, durationMs, status, error } = attempt
  return { attempt: number, started_at: startedAt / 1000, duration_ms: durationMs, status, error }
}

function toSeconds(at: number | null): number | null {
  return at === null ? null : at / 1000
}
