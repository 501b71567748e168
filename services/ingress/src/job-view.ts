import {
  type EndPayload,
  type JobRecord,
  type JobStatus,
  type JobView,
  type ProgressPayload,
  viewOfJob,
} from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'

/** What is known about a job that still has its live record. */
export interface LiveFacts {
  /** 1 is next; null when it does not wait, or cannot be told. */
  readonly position: number | null
  /** Seconds until it starts, as far as can be told. */
  readonly etaSeconds?: number | null
  readonly progress: ProgressPayload | null
  /** The end, once there is one. */
  readonly end: EndPayload | null
}

/** A job as clients see it, from its live record. `base` goes before the paths of its URLs. */
export function viewOfRecord(record: JobRecord, facts: LiveFacts, base: string): JobView {
  const { spec, status } = record
  const { end, position, etaSeconds = null, progress } = facts
  const startedAt = record.attempts[0]?.startedAt ?? null
  return viewOfJob(base, {
    ...spec,
    status,
    class: spec.candidates[record.hop]?.class ?? '',
    position,
    etaSeconds,
    attempts: record.attempts,
    progress,
    startedAt,
    firstTokenAt: end?.timings?.firstTokenAt ?? null,
    endedAt: end?.at ?? null,
    result: end?.result ?? null,
    error: end?.error ?? null,
    usage: end?.usage ?? null,
    costNanoUsd: end?.costNanoUsd ?? null,
  })
}

/** A job as clients see it, from the record of truth. `status` is the live one where Redis knows more. */
export function viewOfStored(job: StoredJob, base: string, status: JobStatus = job.status): JobView {
  return viewOfJob(base, { ...job, status, position: null, progress: null })
}
