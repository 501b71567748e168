import { InferqError, type JobSpec, type SubmitJobsRequest } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { acceptJob } from '../accept.ts'
import type { IngressCore } from '../dependencies.ts'
import { findAcceptedJob } from '../earlier-job.ts'
import { findJob, liveFacts } from '../find-job.ts'
import { withIdempotency } from '../idempotency.ts'
import { viewOfRecord, viewOfStored } from '../job-view.ts'
import { jobDocs, submitManyBody } from '../openapi/job-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { freshRecord, submitAllAsync } from '../submit.ts'
import { tenantOf } from '../tenant.ts'
import type { Validation } from '../validation.ts'
import { baseUrl } from './base-url.ts'

/** Jobs checked, or looked up, before others get their turn: a thousand at once would stall every stream. */
const jobsPerTurn = 50

/** `POST /v1/jobs:batch`: up to 1,000 jobs, all of them or none. */
export function registerJobBatchRoute(app: FastifyInstance, core: IngressCore, validation: Validation): void {
  // The second colon says that the first is one.
  app.post('/v1/jobs::batch', { schema: { body: submitManyBody, ...jobDocs.submitMany } }, (request, reply) => {
    const { jobs } = request.body as SubmitJobsRequest
    return withIdempotency(core, request, reply, {
      scope: 'jobs:batch',
      createId: () => createId('job'),
      async first(batchId) {
        const specs = await acceptAll(core, validation, request, batchId)
        await submitAllAsync(core, specs, request.facts.hold)
        const base = baseUrl(core, request)
        // Places in line are not looked up: that would take as long as the submit.
        const facts = { position: null, progress: null, end: null }
        return replyList(
          reply,
          specs.map((spec) => viewOfRecord(freshRecord(spec), facts, base)),
        )
      },
      find: (batchId) =>
        findAcceptedJob(core, idAt(batchId, 0), identityOf(request).owner, async () =>
          replyList(reply, await viewAll(core, request, batchId, jobs.length)),
        ),
    })
  })
}

/** Ids of one call differ in their ends, so that they sort, and are found again, in the order of the call. */
function idAt(batchId: string, index: number): string {
  return batchId + index.toString(36).padStart(3, '0')
}

async function acceptAll(
  core: IngressCore,
  validation: Validation,
  request: FastifyRequest,
  batchId: string,
): Promise<readonly JobSpec[]> {
  const { jobs } = request.body as SubmitJobsRequest
  const identity = identityOf(request)
  // What one job is of says nothing about the request.
  const facts = { startedAt: request.facts.startedAt }
  const { id: requestId, headers } = request
  const tenant = tenantOf(identity, headers)
  const common = { identity, requestId, facts, headers, tenant, base: baseUrl(core, request) }
  const specs: JobSpec[] = []
  for (const [index, job] of jobs.entries()) {
    if (index % jobsPerTurn === jobsPerTurn - 1) await nextTurn()
    const caller = { ...common, jobId: idAt(batchId, index) }
    try {
      specs.push(acceptJob(core, validation, job, caller))
    } catch (thrown) {
      for (const { id, candidates } of specs) core.queueRoom.dismiss(candidates[0]?.class ?? '', id)
      throw atPlace(thrown, `jobs[${index}]`)
    }
  }
  return specs
}

/** An error that names a field of one of the jobs, as one that names it within the whole. */
function atPlace(thrown: unknown, place: string): unknown {
  if (!(thrown instanceof InferqError) || isOfAll(thrown)) return thrown
  const { param, message } = thrown.detail
  const whole = param === undefined ? place : `${place}.${param}`
  const told = param === undefined ? message : message.replaceAll(`'${param}'`, `'${whole}'`)
  return new InferqError({ ...thrown.detail, param: whole, message: told }, { cause: thrown })
}

/** No job is at fault. */
function isOfAll({ code }: InferqError): boolean {
  return code === 'queue_full' || code === 'service_unavailable'
}

async function viewAll(core: IngressCore, request: FastifyRequest, batchId: string, count: number): Promise<object[]> {
  const { owner } = identityOf(request)
  const base = baseUrl(core, request)
  const view = async (index: number): Promise<object> => {
    const found = await findJob(core, idAt(batchId, index), owner)
    if (found.kind === 'stored') return viewOfStored(found.job, base)
    return viewOfRecord(found.record, await liveFacts(core, found.record), base)
  }
  const views: object[] = []
  for (let start = 0; start < count; start += jobsPerTurn) {
    const length = Math.min(jobsPerTurn, count - start)
    views.push(...(await Promise.all(Array.from({ length }, (_, index) => view(start + index)))))
  }
  return views
}

function replyList(reply: FastifyReply, data: readonly object[]): FastifyReply {
  return reply.code(202).send({ object: 'list', data })
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
