import type { ErrorDetail } from './errors.ts'
import type { JobView } from './http-jobs.ts'
import type { AttemptRecord, Operation, RouteNote } from './job.ts'
import { presentResult } from './job-answer.ts'
import { isTerminal, type JobStatus } from './job-state.ts'
import { countAttempts, type ProgressPayload, type TokenUsage } from './log-entry.ts'

/** All that a job's view is made of. Times in ms epoch. */
export interface JobFacts {
  readonly id: string
  readonly type: JobView['type']
  readonly operation: Operation
  readonly status: JobStatus
  readonly owner: string
  readonly model: string
  readonly class: string
  readonly createdAt: number
  /** 1 is next; null when it does not wait, or cannot be told. */
  readonly position: number | null
  /** Seconds until its start, as far as can be told. */
  readonly etaSeconds?: number | null
  readonly route?: RouteNote | null
  readonly retryOf?: string | null
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

/** A job as clients see it, in answers and in webhooks. `base` goes before the paths of its URLs. */
export function viewOfJob(base: string, job: JobFacts): JobView {
  const self = `${base}/v1/jobs/${job.id}`
  return {
    id: job.id,
    object: 'job',
    type: job.type,
    status: job.status,
    owner: job.owner,
    retry_of: job.retryOf ?? null,
    model: job.model,
    created_at: job.createdAt / 1000,
    queue: isTerminal(job.status) ? null : { class: job.class, position: job.position, eta_s: job.etaSeconds ?? null },
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
    attempt: countAttempts(attempt.attempt),
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

/** A JSON number in USD: the nearest double to a whole number of nano-dollars is written as that number's own digits. */
function usdOfNano(nanoUsd: number): number {
  return nanoUsd / 1e9
}
