import { type ErrorDetail, InferqError, type JobSpec } from '@inferq/contracts'
import type { JobReference } from '@inferq/queue'
import type { IngressCore } from './dependencies.ts'

/** The reference under which a fresh job waits. */
export function firstReference(spec: JobSpec): JobReference {
  return { jobId: spec.id, hop: 0, type: spec.type, class: spec.candidates[0]?.class ?? '', tier: spec.tier }
}

/**
 * Opens a job's record and log and puts it in its queue, in one round trip: both go out on one connection in this
 * order, so a worker that takes the job finds its record. Throws `service_unavailable`.
 */
export async function openAndEnqueue(core: IngressCore, spec: JobSpec, watcher?: string): Promise<void> {
  const opened = core.tokenLog.open(spec, watcher)
  const queued = core.queue.enqueue(firstReference(spec))
  await Promise.all([opened, queued])
}

/**
 * Accepts an asynchronous job: a row in Postgres first, which is what the caller is promised; then the queue. Where
 * Redis does not take it now the row stands, and the controller's relay will enqueue it.
 * Throws `service_unavailable` when Postgres does not answer: then nothing was accepted.
 */
export async function submitAsync(
  core: IngressCore,
  spec: JobSpec,
  watcher?: string,
): Promise<'enqueued' | 'accepted'> {
  await core.store.insertAccepted([spec])
  try {
    await openAndEnqueue(core, spec, watcher)
  } catch (thrown) {
    core.log.warn({ jobId: spec.id, code: toDetail(thrown).code }, 'enqueue-left-to-relay')
    return 'accepted'
  }
  core.background.run('mark-enqueued', core.store.markEnqueued([spec.id]))
  return 'enqueued'
}

/** Any failure as an error a client may see. */
export function toDetail(thrown: unknown): ErrorDetail {
  if (thrown instanceof InferqError) return thrown.detail
  return { code: 'internal_error', message: 'An unexpected error occurred.' }
}
