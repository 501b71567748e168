import { isTerminal, isTerminalKind, type JobRecord, type JobSpec } from '@inferq/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { findJob, liveFacts } from '../find-job.ts'
import { viewOfRecord, viewOfStored } from '../job-view.ts'
import { firstReference, submitAsync } from '../submit.ts'
import { baseUrl } from './base-url.ts'
import { waitSeconds } from './prefer.ts'

/**
 * Submits an asynchronous job and answers 202 with it, or with `Prefer: wait=N` 200 when it ended in time.
 * Throws `service_unavailable` when Postgres did not take it.
 */
export async function replyAccepted(
  core: IngressCore,
  spec: JobSpec,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const seconds = waitSeconds(request.headers, core.options.maxWaitSeconds)
  const wait = seconds > 0 ? waitForEnd(core, spec.id, seconds * 1000, reply) : undefined
  const base = baseUrl(core, request)
  try {
    const submitted = await submitAsync(core, spec, wait === undefined ? undefined : core.follower.watcher)
    reply.header('location', `${base}/v1/jobs/${spec.id}`).header('x-inferq-job-id', spec.id)
    if (submitted === 'enqueued' && wait !== undefined) {
      await wait.ended
      return await replyAsItIs(core, spec, base, reply)
    }
    const position = submitted === 'enqueued' ? await positionOf(core, spec) : null
    return reply.code(202).send(viewOfRecord(fresh(spec), { position, progress: null, end: null }, base))
  } finally {
    wait?.cancel()
  }
}

/** A job that was accepted a moment ago. */
function fresh(spec: JobSpec): JobRecord {
  return { spec, status: 'queued', hop: 0, attempt: 0, tries: 0, cancelRequested: false, attempts: [] }
}

async function positionOf(core: IngressCore, spec: JobSpec): Promise<number | null> {
  return core.queue.position(firstReference(spec)).catch(() => null)
}

/** The job after waiting for it: 200 when it has ended. It is accepted either way, so a failure to look is no failure. */
async function replyAsItIs(core: IngressCore, spec: JobSpec, base: string, reply: FastifyReply): Promise<unknown> {
  const found = await findJob(core, spec.id, spec.owner).catch(() => undefined)
  const view =
    found?.kind === 'stored'
      ? viewOfStored(found.job, base)
      : viewOfRecord(found?.record ?? fresh(spec), await liveFacts(core, found?.record ?? fresh(spec)), base)
  return reply.code(isTerminal(view.status) ? 200 : 202).send(view)
}

interface EndWait {
  /** Resolves at the end of the job, at the time limit, or when the client is gone. */
  readonly ended: Promise<void>
  cancel(): void
}

function waitForEnd(core: IngressCore, jobId: string, timeoutMs: number, reply: FastifyReply): EndWait {
  const done = Promise.withResolvers<void>()
  const following = core.follower.follow(jobId, {
    after: null,
    attached: true,
    onEntries(entries) {
      const last = entries.at(-1)
      if (last !== undefined && isTerminalKind(last.kind)) done.resolve()
      return true
    },
    onLost: () => done.resolve(),
  })
  const cancelTimer = core.clock.after(timeoutMs, () => done.resolve())
  const onClose = (): void => done.resolve()
  reply.raw.once('close', onClose)
  core.waits.add(onClose)
  return {
    ended: done.promise,
    cancel() {
      following.close()
      cancelTimer()
      reply.raw.off('close', onClose)
      core.waits.delete(onClose)
    },
  }
}
