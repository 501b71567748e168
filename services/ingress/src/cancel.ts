import { type EndPayload, type ErrorDetail, isTerminal } from '@inferq/contracts'
import type { CancelBroadcast, JobQueue } from '@inferq/queue'
import type { Clock } from '@inferq/runtime'
import type { TokenLog } from '@inferq/tokenlog'

export interface CancelDependencies {
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly cancellations: CancelBroadcast
  readonly clock: Clock
}

/** Where a job waits: what the queue needs to find it. */
export interface QueuePlace {
  readonly hop: number
  readonly class: string
}

export type CancelOutcome = 'cancelled' | 'cancelling' | 'already_finished' | 'unknown'

const cancelled: ErrorDetail = { code: 'job_cancelled', message: 'The job was cancelled.' }

/**
 * Cancels a job wherever it is; idempotent. The mark in its record comes first, so that from then on no attempt starts.
 * `cancelled`: it waited, and has ended. `cancelling`: an attempt runs; its worker was told and will end the job.
 * Throws `service_unavailable` when Redis does not answer.
 */
export async function cancelJob(dependencies: CancelDependencies, jobId: string): Promise<CancelOutcome> {
  const { tokenLog, cancellations, clock } = dependencies
  const status = await tokenLog.requestCancel(jobId)
  if (status === 'unknown') return 'unknown'
  if (isTerminal(status)) return 'already_finished'
  if (status === 'in_progress') {
    await cancellations.announce(jobId)
    return 'cancelling'
  }
  const record = await tokenLog.record(jobId)
  if (record === null) return 'already_finished'
  const place = { hop: record.hop, class: record.spec.candidates[record.hop]?.class ?? '' }
  const result = await endFromOutside(dependencies, jobId, place, 'cancelled', { at: clock.now(), error: cancelled })
  if (result === 'ended') return 'cancelled'
  return result === 'superseded' ? 'already_finished' : 'unknown'
}

/** Ends a job whose time is up, wherever it is. */
export async function expireJob(
  dependencies: CancelDependencies,
  jobId: string,
  place: QueuePlace,
  error: ErrorDetail,
): Promise<void> {
  await endFromOutside(dependencies, jobId, place, 'expired', { at: dependencies.clock.now(), error })
}

/** The end is written first: a process that dies in between leaves an entry in the queue that its worker will drop. */
async function endFromOutside(
  { tokenLog, queue, cancellations }: CancelDependencies,
  jobId: string,
  place: QueuePlace,
  status: 'cancelled' | 'expired',
  end: EndPayload,
): Promise<'ended' | 'superseded' | 'unknown'> {
  const result = await tokenLog.terminate(jobId, status, end)
  const removed = await queue.remove({ jobId, ...place })
  if (removed === 'active') await cancellations.announce(jobId)
  return result
}
