import {
  type AttemptRecord,
  type EndPayload,
  type ErrorDetail,
  isTerminal,
  type JobRecord,
  type JobStatus,
  type JobView,
  type Operation,
  type ProgressPayload,
  type RouteNote,
  type TokenUsage,
} from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import { presentResult } from './dialects/dialect.ts'
import { usdOfNano } from './money.ts'

/** What is known about a job that still has its live record. */
export interface LiveFacts {
  /** 1 is next; null when it does not wait, or cannot be told. */
  readonly position: number | null
  readonly progress: ProgressPayload | null
  /** The end, once there is one. */
  readonly end: EndPayload | null
}

/** A job as clients see it, from its live record. `base` goes before the paths of its URLs. */
export function viewOfRecord(record: JobRecord, facts: LiveFacts, base: string): JobView {
  const { spec, status } = record
  const { end, position, progress } = facts
  const startedAt = record.attempts[0]?.startedAt ?? null
  return view(base, {
    ...spec,
    status,
    class: spec.candidates[record.hop]?.class ?? '',
    position,
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
  return view(base, { ...job, status, position: null, progress: null })
}

interface ViewFacts {
  readonly id: string
  readonly type: JobView['type']
  readonly operation: Operation
  readonly status: JobStatus
  readonly model: string
  readonly class: string
  readonly createdAt: number
  readonly position: number | null
  readonly route?: RouteNote | null
  readonly attempts: readonly AttemptRecord[]
  readonly progress: ProgressPayload | null
  readonly startedAt: number | null
  readonly firstTokenAt: number | null
  readonly endedAt: number | null
  readonly result: unknown
  readonly error: ErrorDetail | null
  readonly usage: TokenUsage | null
  readonly costNanoUsd: number | null
  readonly metadata: Readonly<Record<string, string>>
}

function view(base: string, job: ViewFacts): JobView {
  const self = `${base}/v1/jobs/${job.id}`
  return {
    id: job.id,
    object: 'job',
    type: job.type,
    status: job.status,
    model: job.model,
    created_at: job.createdAt / 1000,
    queue: isTerminal(job.status) ? null : { class: job.class, position: job.position, eta_s: null },
    route: job.route ? { rule: null, variant: null, ...job.route } : null,
    attempts: job.attempts.map(viewOfAttempt),
    progress: job.progress,
    result: presentResult(job, job.result),
    error: job.error === null ? null : viewOfError(job.error),
    usage: job.usage === null ? null : viewOfUsage(job.usage),
    cost_usd: job.costNanoUsd === null ? null : usdOfNano(job.costNanoUsd),
    timings: {
      queued_ms: job.startedAt === null ? null : Math.max(0, job.startedAt - job.createdAt),
      ttft_ms: job.firstTokenAt === null ? null : Math.max(0, job.firstTokenAt - job.createdAt),
      duration_ms: job.endedAt === null ? null : Math.max(0, job.endedAt - job.createdAt),
    },
    metadata: { ...job.metadata },
    urls: { self, events: `${self}/events`, result: `${self}/result`, cancel: `${self}/cancel` },
  }
}

function viewOfAttempt(attempt: AttemptRecord): JobView['attempts'][number] {
  return {
    attempt: attempt.attempt,
    hop: attempt.hop,
    class: attempt.class,
    worker: attempt.worker,
    deployment: attempt.deployment ?? null,
    started_at: attempt.startedAt / 1000,
    ended_at: attempt.endedAt === undefined ? null : attempt.endedAt / 1000,
    outcome: attempt.outcome ?? null,
    error: attempt.error === undefined ? null : viewOfError(attempt.error),
    continued: attempt.continued === true,
    usage: attempt.usage === undefined ? null : viewOfUsage(attempt.usage),
    cost_usd: typeof attempt.costNanoUsd === 'number' ? usdOfNano(attempt.costNanoUsd) : null,
  }
}

function viewOfError(error: ErrorDetail): NonNullable<JobView['error']> {
  return { code: error.code, message: error.message, ...(error.param === undefined ? {} : { param: error.param }) }
}

function viewOfUsage(usage: TokenUsage): NonNullable<JobView['usage']> {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    estimated: usage.estimated === true,
  }
}
