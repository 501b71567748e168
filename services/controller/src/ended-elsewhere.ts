import { type EndPayload, isTerminal } from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import type { ControllerParts } from './controller.ts'

/** Takes jobs out of Redis that Postgres has ended. */
export interface EndedElsewhere {
  /** Looks at all jobs in the queues when Redis is in doubt, as at the start, and every few minutes. */
  turn(signal: AbortSignal): Promise<void>
  /** Redis was away, or came back with what it held some time ago: look at once. */
  doubt(): void
}

/**
 * A Redis that came back with an older state (a replica that lagged behind, a second that was not on disk) may hold jobs whose
 * ends it has forgotten and Postgres knows, or that were ended in Postgres because it did not hold them then. They would be run
 * for nothing. They get the end that is recorded, for the readers of their logs, and leave the queue; their attempts are
 * cancelled. That the end is reported again changes nothing.
 */
export function createEndedElsewhere(
  parts: Pick<ControllerParts, 'config' | 'store' | 'tokenLog' | 'queue' | 'cancellations' | 'clock' | 'log'> & {
    readonly lookEveryMs: number
  },
): EndedElsewhere {
  const { config, store, tokenLog, queue, cancellations, clock, log, lookEveryMs } = parts
  let isDue = true
  let lookedAt = clock.monotonic()

  const end = async (jobId: string): Promise<boolean> => {
    const record = await tokenLog.record(jobId)
    if (record === null || isTerminal(record.status)) return false
    const lookup = await store.getJob(jobId, record.spec.owner)
    if (lookup.kind !== 'found' || !isTerminal(lookup.job.status)) return false
    if ((await tokenLog.terminate(jobId, lookup.job.status, endOf(lookup.job, clock.now()))) !== 'ended') return false
    const { spec, hop, status } = record
    await queue.remove({ jobId, hop, class: spec.candidates[hop]?.class ?? '' })
    if (status === 'in_progress') await cancellations.announce(jobId)
    return true
  }

  /** Postgres first: an end that took the usual way was in Redis before it was there. */
  const endPage = async (jobIds: readonly string[], signal: AbortSignal): Promise<number> => {
    const ended = await store.endedAmong(jobIds)
    const statuses = await tokenLog.statuses(ended)
    let count = 0
    for (const [index, jobId] of ended.entries()) {
      const status = statuses[index]
      if (status === null || status === undefined || isTerminal(status)) continue
      signal.throwIfAborted()
      if (await end(jobId)) count++
    }
    return count
  }

  return {
    async turn(signal) {
      if (!isDue && clock.monotonic() - lookedAt < lookEveryMs) return
      isDue = false
      try {
        let count = 0
        for (const modelClass of Object.keys(config().classes)) {
          for await (const jobIds of queue.held(modelClass)) {
            signal.throwIfAborted()
            count += await endPage(jobIds, signal)
          }
        }
        lookedAt = clock.monotonic()
        if (count > 0) log.warn({ count }, 'jobs-ended-elsewhere')
      } catch (thrown) {
        isDue = true
        throw thrown
      }
    },
    doubt() {
      isDue = true
    },
  }
}

/** What the job's row has of the entry that its log has lost. */
function endOf(job: StoredJob, now: number): EndPayload {
  const { endedAt, result, usage, costNanoUsd, error, finishReason, deployment } = job
  return {
    at: endedAt ?? now,
    ...(result === null || result === undefined ? {} : { result }),
    ...(usage === null ? {} : { usage }),
    ...(costNanoUsd === null ? {} : { costNanoUsd }),
    ...(error === null ? {} : { error }),
    ...(finishReason === null ? {} : { finishReason }),
    ...(deployment === null ? {} : { deployment }),
  }
}
