import { InferqError, isTerminal, type JobSpec, type JobStatus } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import type { FastifyInstance } from 'fastify'
import { acceptRetry } from '../accept.ts'
import type { IngressCore } from '../dependencies.ts'
import { findAcceptedJob } from '../earlier-job.ts'
import { findJob } from '../find-job.ts'
import { withIdempotency } from '../idempotency.ts'
import { type Identity, ownerWithinReach } from '../identity.ts'
import { jobDocs } from '../openapi/job-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { jobIdOf } from './jobs.ts'
import { replyAccepted, replyEarlier } from './reply-accepted.ts'

/** `POST /v1/jobs/{id}/retry`: a job that ended without a result again, as a new one of its owner's, whoever asks for it. */
export function registerJobRetryRoute(app: FastifyInstance, core: IngressCore): void {
  app.post('/v1/jobs/:id/retry', { schema: jobDocs.retry }, (request, reply) => {
    const endedId = jobIdOf(request)
    const identity = identityOf(request)
    const caller = { identity, requestId: request.id, facts: request.facts, headers: request.headers }
    return withIdempotency(core, request, reply, {
      scope: `retry ${endedId}`,
      createId: () => createId('job'),
      async first(jobId) {
        const ended = await findEnded(core, endedId, ownerWithinReach(identity))
        const onBehalf = { ...caller, identity: asOwner(identity, ended.owner), jobId }
        return replyAccepted(core, acceptRetry(core, ended, onBehalf), request, reply)
      },
      find: (jobId) =>
        findAcceptedJob(core, jobId, ownerWithinReach(identity), (found) => replyEarlier(core, found, request, reply)),
    })
  })
}

/** An operator's key, user and team are not the owner's: routing must not take them for it. */
function asOwner(identity: Identity, owner: string): Identity {
  return identity.owner === owner ? identity : { owner, admin: false }
}

/** Throws `conflict` for a job that runs, waits or completed, and for one whose request is not kept (any more). */
async function findEnded(core: IngressCore, jobId: string, owner: string | null): Promise<JobSpec> {
  const found = await findJob(core, jobId, owner)
  if (found.kind === 'live') {
    checkEnded(jobId, found.record.status)
    return found.record.spec
  }
  checkEnded(jobId, found.job.status)
  const spec = await core.store.endedSpec(jobId, owner)
  if (spec !== null) return spec
  const message = `The request of the job '${jobId}' is not kept (any more), so it cannot be run again. Submit it anew.`
  throw new InferqError({ code: 'conflict', message })
}

function checkEnded(jobId: string, status: JobStatus): void {
  if (isTerminal(status) && status !== 'completed') return
  const message = `The job '${jobId}' is ${status}; only a job that failed, expired or was cancelled can be run again.`
  throw new InferqError({ code: 'conflict', message })
}
