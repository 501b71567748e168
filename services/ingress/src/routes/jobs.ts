import {
  isTerminal,
  type JobStatus,
  type JobView,
  type ListJobsQuery,
  ListJobsQuery as ListJobsQuerySchema,
  type SubmitJobRequest,
} from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import type { StoredJob } from '@inferq/store'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { acceptJob } from '../accept.ts'
import { type CancelOutcome, cancelJob } from '../cancel.ts'
import type { IngressCore } from '../dependencies.ts'
import { findAcceptedJob } from '../earlier-job.ts'
import { findJob, liveFacts } from '../find-job.ts'
import { readResult } from '../found-result.ts'
import { withIdempotency } from '../idempotency.ts'
import { ownerWithinReach } from '../identity.ts'
import { viewOfRecord, viewOfStored } from '../job-view.ts'
import { ownerAskedFor, toJobListQuery } from '../list-filters.ts'
import { jobDocs, submitBody } from '../openapi/job-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import type { Validation } from '../validation.ts'
import { baseUrl } from './base-url.ts'
import { replyAccepted, replyEarlier } from './reply-accepted.ts'

/** `/v1/jobs`: submit, list, get, result, cancel. Events have a file of their own. */
export function registerJobRoutes(app: FastifyInstance, core: IngressCore, validation: Validation): void {
  app.post('/v1/jobs', { schema: { body: submitBody, ...jobDocs.submit } }, (request, reply) => {
    const identity = identityOf(request)
    const { facts, headers } = request
    const caller = { identity, requestId: request.id, facts, headers, base: baseUrl(core, request) }
    return withIdempotency(core, request, reply, {
      scope: 'jobs',
      createId: () => createId('job'),
      async first(jobId) {
        const spec = acceptJob(core, validation, request.body as SubmitJobRequest, { ...caller, jobId })
        return replyAccepted(core, spec, request, reply)
      },
      find: (jobId) =>
        findAcceptedJob(core, jobId, identity.owner, (found) => replyEarlier(core, found, request, reply)),
    })
  })
  app.get('/v1/jobs', { schema: { querystring: ListJobsQuerySchema, ...jobDocs.list } }, (request) =>
    listJobs(core, request),
  )
  app.get('/v1/jobs/:id', { schema: jobDocs.get }, (request) => getJob(core, request))
  app.get('/v1/jobs/:id/result', { schema: jobDocs.result }, (request, reply) => getResult(core, request, reply))
  app.post('/v1/jobs/:id/cancel', { schema: jobDocs.cancel }, (request) => postCancel(core, request))
}

/** The id in the path, noted for the log line. */
export function jobIdOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string }
  request.facts.jobId = id.slice(0, 80)
  return id
}

async function getJob(core: IngressCore, request: FastifyRequest): Promise<JobView> {
  const found = await findJob(core, jobIdOf(request), ownerWithinReach(identityOf(request)))
  const base = baseUrl(core, request)
  if (found.kind === 'stored') return viewOfStored(found.job, base)
  return viewOfRecord(found.record, await liveFacts(core, found.record), base)
}

async function listJobs(core: IngressCore, request: FastifyRequest): Promise<object> {
  const query = request.query as ListJobsQuery
  const page = await core.store.listJobs(ownerAskedFor(identityOf(request), query), toJobListQuery(query))
  const statuses = await liveStatuses(core, page.jobs)
  const base = baseUrl(core, request)
  return {
    object: 'list',
    data: page.jobs.map((job) => viewOfStored(job, base, statuses.get(job.id))),
    has_more: page.next !== null,
    next: page.next,
  }
}

/** What Redis says about those that had not ended when they were recorded; nothing while Redis is away. */
async function liveStatuses(core: IngressCore, jobs: readonly StoredJob[]): Promise<ReadonlyMap<string, JobStatus>> {
  const open = jobs.filter((job) => !isTerminal(job.status)).map((job) => job.id)
  const statuses = await core.tokenLog.statuses(open).catch(() => [])
  return new Map(open.flatMap((id, place) => (statuses[place] ? [[id, statuses[place]]] : [])))
}

async function getResult(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const found = await findJob(core, jobIdOf(request), ownerWithinReach(identityOf(request)))
  const result = await readResult(core, found)
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(result))
}

async function postCancel(core: IngressCore, request: FastifyRequest): Promise<object> {
  const jobId = jobIdOf(request)
  const found = await findJob(core, jobId, ownerWithinReach(identityOf(request)))
  const outcome = await cancelFound(core, jobId, found.kind === 'live' ? found.record.status : found.job.status)
  return { id: jobId, object: 'job.cancellation', outcome }
}

/** Wherever it is. */
export async function cancelFound(core: IngressCore, jobId: string, status: JobStatus): Promise<CancelOutcome> {
  if (isTerminal(status)) return 'already_finished'
  const outcome = await cancelJob(core, jobId)
  if (outcome !== 'unknown') return outcome
  // Accepted, and not in Redis (yet, or any more): make its record there, so that it can end like any other.
  const [lost] = await core.store.claimLost([jobId])
  if (lost === undefined) return 'already_finished'
  await core.tokenLog.open(lost.spec, '', lost.losses)
  return cancelJob(core, jobId)
}
