import { countAttempts, type EndMessage, type EndPayload, isTerminal, type JobRecord } from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import type { ControllerParts } from './controller.ts'
import type { OutcomeGate } from './outcome-gate.ts'

const pageSize = 500
const gateTimeoutMs = 5_000

/**
 * Ends asynchronous jobs that did not start or end in time. Redis decides: what Postgres thinks overdue may be running, or
 * have ended a moment ago. A job that Redis does not hold is ended in Postgres directly, unless it has ended there.
 */
export function createExpiry(
  parts: Pick<ControllerParts, 'store' | 'tokenLog' | 'queue' | 'cancellations' | 'clock' | 'log'> & {
    readonly gate: OutcomeGate
  },
) {
  const { store, tokenLog, queue, cancellations, clock, log, gate } = parts

  const end = async (job: StoredJob, record: JobRecord): Promise<void> => {
    const now = clock.now()
    const neverStarted = countAttempts(record.attempt) === 0
    const tooLate = now > record.spec.finishBy || (neverStarted && now > record.spec.startBy)
    if (isTerminal(record.status) || !tooLate) return
    if ((await tokenLog.terminate(job.id, 'expired', expiredEnd(now, neverStarted))) !== 'ended') return
    log.info({ jobId: job.id, status: record.status }, 'job-expired')
    const modelClass = record.spec.candidates[record.hop]?.class ?? ''
    await queue.remove({ jobId: job.id, hop: record.hop, class: modelClass })
    if (record.status === 'in_progress') await cancellations.announce(job.id)
  }

  const endUnknown = async (jobs: readonly StoredJob[], signal: AbortSignal): Promise<void> => {
    if (jobs.length === 0 || !(await gate.passed(gateTimeoutMs, signal))) return
    const now = clock.now()
    const { ended } = await store.commitOutcomes(jobs.map((job) => toEndMessage(job, now)))
    if (ended.length > 0) log.warn({ count: ended.length }, 'lost-jobs-expired')
  }

  return async (signal: AbortSignal): Promise<void> => {
    const jobs = await store.findOverdue({ now: clock.now(), limit: pageSize })
    const unknown: StoredJob[] = []
    for (const job of jobs) {
      signal.throwIfAborted()
      const record = await tokenLog.record(job.id)
      if (record === null) unknown.push(job)
      else await end(job, record)
    }
    await endUnknown(unknown, signal)
  }
}

function expiredEnd(at: number, neverStarted: boolean): EndPayload {
  const message = neverStarted ? 'The job was not started in time.' : 'The job did not end in time.'
  return { at, error: { code: 'job_expired', message } }
}

function toEndMessage(job: StoredJob, now: number): EndMessage {
  const { error } = expiredEnd(now, job.startedAt === null)
  return {
    kind: 'end',
    jobId: job.id,
    status: 'expired',
    type: job.type,
    operation: job.operation,
    mode: job.mode,
    tier: job.tier,
    owner: job.owner,
    model: job.model,
    servedModel: job.candidates[0]?.model ?? job.model,
    class: job.class,
    requestId: job.requestId,
    metadata: job.metadata,
    createdAt: job.createdAt,
    endedAt: now,
    attempts: job.attempts,
    ...(job.route === null ? {} : { route: job.route }),
    costNanoUsd: null,
    ...(error === undefined ? {} : { error }),
  }
}
