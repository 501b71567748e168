import { type ErrorDetail, InferqError, type JobRecord, type JobSpec } from '@inferq/contracts'
import { referenceTo } from '@inferq/queue'
import type { KeyHold } from '@inferq/store'
import type { IngressCore } from './dependencies.ts'

/** A job that was accepted a moment ago. */
export function freshRecord(spec: JobSpec): JobRecord {
  return { spec, status: 'queued', hop: 0, attempt: 0, tries: 0, cancelRequested: false, attempts: [] }
}

/**
 * A job that somebody waits for on a connection, and nobody else: started at a worker with a free slot, in one round trip;
 * else it goes into its queue, in a second one. Throws `service_unavailable`.
 */
export async function startOrEnqueue(core: IngressCore, spec: JobSpec): Promise<void> {
  // One that others may join has to be found in its queue or at a worker, wherever this process stops.
  if (spec.keepResult || spec.mode === 'async') return openAndEnqueue(core, spec, core.follower.watcher)
  const reference = referenceTo(spec, 0)
  await core.queue.startOrEnqueue(reference, async (place) => {
    const isStarted = await core.tokenLog.start(spec, core.follower.watcher, place)
    if (isStarted) core.queueRoom.dismiss(reference.class, spec.id)
    else core.queueRoom.entered(reference.class, spec.id)
    return isStarted
  })
}

/**
 * Opens a job's record and log and puts it in its queue, in one round trip: both go out on one connection in this
 * order, so a worker that takes the job finds its record. Throws `service_unavailable`.
 */
export async function openAndEnqueue(core: IngressCore, spec: JobSpec, watcher?: string): Promise<void> {
  const opened = core.tokenLog.open(spec, watcher)
  const reference = referenceTo(spec, 0)
  const queued = core.queue.enqueue(reference)
  core.queueRoom.entered(reference.class, spec.id)
  await Promise.all([opened, queued])
}

/** For whom a job is accepted. */
export interface Submission {
  /** The ingress to which the entries of its log are published. */
  readonly watcher?: string | undefined
  /** Of its request's Idempotency-Key. */
  readonly hold?: KeyHold | undefined
}

/**
 * Accepts an asynchronous job: a row in Postgres first, which is what the caller is promised; then the queue. Where
 * Redis does not take it now the row stands, and the controller's relay will enqueue it.
 * Throws `service_unavailable` when Postgres does not answer, or not in time: then nothing was queued, and nobody knows
 * whether the row is there. If it is the job runs; a request with the same Idempotency-Key finds it, or has it refused.
 */
export async function submitAsync(
  core: IngressCore,
  spec: JobSpec,
  { watcher, hold }: Submission = {},
): Promise<'enqueued' | 'accepted'> {
  await core.store.insertAccepted([spec], hold)
  try {
    await openAndEnqueue(core, spec, watcher)
  } catch (thrown) {
    core.log.warn({ jobId: spec.id, code: toDetail(thrown).code }, 'enqueue-left-to-relay')
    return 'accepted'
  }
  core.background.run('mark-enqueued', core.store.markEnqueued([spec.id]))
  return 'enqueued'
}

/** Jobs of one call that are opened and enqueued at once. */
const enqueuedAtOnce = 100

/**
 * Accepts asynchronous jobs, all or none, in one commit; then puts them in their queues, in their order. Where Redis does not
 * take them now the relay will. Throws `service_unavailable` as submitAsync does.
 */
export async function submitAllAsync(core: IngressCore, specs: readonly JobSpec[], hold?: KeyHold): Promise<void> {
  await core.store.insertAccepted(specs, hold)
  for (let start = 0; start < specs.length; start += enqueuedAtOnce) {
    const part = specs.slice(start, start + enqueuedAtOnce)
    try {
      await Promise.all(part.map((spec) => openAndEnqueue(core, spec)))
    } catch (thrown) {
      core.log.warn({ count: specs.length - start, code: toDetail(thrown).code }, 'enqueue-left-to-relay')
      return
    }
    core.background.run('mark-enqueued', core.store.markEnqueued(part.map(({ id }) => id)))
  }
}

/** Any failure as an error a client may see. */
export function toDetail(thrown: unknown): ErrorDetail {
  if (thrown instanceof InferqError) return thrown.detail
  return { code: 'internal_error', message: 'An unexpected error occurred.' }
}
