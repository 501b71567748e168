import { type EventsUrl, EventsUrlRequest } from '@inferq/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { findJob } from '../find-job.ts'
import type { Identity } from '../identity.ts'
import { jobDocs } from '../openapi/job-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { baseUrl } from './base-url.ts'
import { jobIdOf } from './jobs.ts'

const usualSeconds = 300

/** `POST /v1/jobs/{id}/events-url`: a URL that opens this job's events without a header, for minutes. */
export function registerJobEventsUrlRoute(app: FastifyInstance, core: IngressCore): void {
  const schema = { body: EventsUrlRequest, ...jobDocs.eventsUrl }
  app.post('/v1/jobs/:id/events-url', { schema, preValidation: takeNoBody }, async (request): Promise<EventsUrl> => {
    const jobId = jobIdOf(request)
    const { owner } = identityOf(request)
    const { expires_in_s: seconds = usualSeconds } = request.body as EventsUrlRequest
    await findJob(core, jobId, owner)
    const expiresAt = Math.floor(core.clock.now() / 1000) + seconds
    const token = core.eventTokens.sign({ jobId, owner, expiresAt })
    return { url: `${baseUrl(core, request)}/v1/jobs/${jobId}/events?token=${token}`, expires_at: expiresAt }
  })
}

function takeNoBody(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.body ??= {}
  done()
}

/**
 * Who reads events by a signed URL: its owner, this job alone. Null without a token; with one, nothing else counts. Any
 * page may read the answer: whoever has the URL may.
 */
export function readerOfSignedUrl(
  core: IngressCore,
): (request: FastifyRequest, reply: FastifyReply) => Identity | null {
  return (request, reply) => {
    const { token } = request.query as { readonly token?: unknown }
    if (token === undefined) return null
    reply.header('access-control-allow-origin', '*').header('cross-origin-resource-policy', 'cross-origin')
    const { id } = request.params as { id: string }
    const owner = core.eventTokens.verify(typeof token === 'string' ? token : '', id, core.clock.now())
    return { owner, admin: false }
  }
}
