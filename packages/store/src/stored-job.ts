import type {
  AttemptRecord,
  Candidate,
  CascadeCheck,
  ErrorDetail,
  JobShare,
  JobSpec,
  JobStatus,
  JobType,
  JobWebhook,
  Operation,
  RouteNote,
  Tier,
  TokenUsage,
} from '@inferq/contracts'

/** A job as Postgres has it. While it runs, Redis knows more; after its end this is the record of truth. Times in ms epoch. */
export interface StoredJob {
  readonly id: string
  readonly type: JobType
  readonly operation: Operation
  readonly mode: 'interactive' | 'async'
  readonly tier: Tier
  readonly owner: string
  /** As the client named it. */
  readonly model: string
  /** The model that served it last; null before its end. */
  readonly servedModel: string | null
  /** Of the candidate that served it last; before its end, of the preferred one. */
  readonly class: string
  readonly status: JobStatus
  readonly keepResult: boolean
  readonly requestId: string
  readonly metadata: Readonly<Record<string, string>>
  /** Empty for interactive jobs. */
  readonly candidates: readonly Candidate[]
  /** Null: the model that was asked for, as it stood in the configuration. */
  readonly route: RouteNote | null
  /** The job that this one runs again. */
  readonly retryOf: string | null
  /** How often Redis has lost it. */
  readonly losses: number
  /** Known here only after the end. */
  readonly attempts: readonly AttemptRecord[]
  readonly createdAt: number
  readonly startBy: number | null
  readonly finishBy: number | null
  readonly enqueuedAt: number | null
  /** Start of its first attempt. */
  readonly startedAt: number | null
  readonly firstTokenAt: number | null
  readonly endedAt: number | null
  readonly deployment: string | null
  readonly usage: TokenUsage | null
  /** In 10^-9 USD. Null: not known. */
  readonly costNanoUsd: number | null
  readonly error: ErrorDetail | null
  readonly finishReason: string | null
  /** Null where it was not kept, before the end, and in lists. */
  readonly result: unknown
}

/** The job's columns (`j`) and its bill's (`u`), without the request and the result: those may be large. */
export const jobColumns = `
  j.id, j.type, j.operation, j.mode, j.tier, j.owner, j.model, j.class, j.status, j.keep_result, j.request_id, j.metadata,
  j.candidates, j.route, j.retry_of, j.losses, j.attempts, j.created_at, j.start_by, j.finish_by, j.enqueued_at, j.started_at, j.first_token_at, j.ended_at,
  j.deployment, j.error, j.finish_reason, u.prompt_tokens, u.completion_tokens, u.cached_tokens, u.reasoning_tokens,
  u.estimated, u.cost_nano_usd, u.model as served_model`

/** What pg makes of `jobColumns`; our own statements wrote it, so its values are trusted. */
export interface JobRow {
  readonly id: string
  readonly type: JobType
  readonly operation: Operation
  readonly mode: 'interactive' | 'async'
  readonly tier: Tier
  readonly owner: string
  readonly model: string
  readonly class: string
  readonly status: JobStatus
  readonly keep_result: boolean
  readonly request_id: string
  readonly metadata: Readonly<Record<string, string>>
  readonly candidates: readonly Candidate[] | null
  readonly route: RouteNote | null
  readonly retry_of: string | null
  readonly losses: number
  readonly attempts: readonly AttemptRecord[]
  readonly created_at: Date
  readonly start_by: Date | null
  readonly finish_by: Date | null
  readonly enqueued_at: Date | null
  readonly started_at: Date | null
  readonly first_token_at: Date | null
  readonly ended_at: Date | null
  readonly deployment: string | null
  readonly error: ErrorDetail | null
  readonly finish_reason: string | null
  readonly prompt_tokens: number | null
  readonly completion_tokens: number | null
  readonly cached_tokens: number | null
  readonly reasoning_tokens: number | null
  readonly estimated: boolean | null
  readonly cost_nano_usd: number | null
  readonly served_model: string | null
  readonly result?: unknown
}

export function toStoredJob(row: JobRow): StoredJob {
  return {
    id: row.id,
    type: row.type,
    operation: row.operation,
    mode: row.mode,
    tier: row.tier,
    owner: row.owner,
    model: row.model,
    servedModel: row.served_model,
    class: row.class,
    status: row.status,
    keepResult: row.keep_result,
    requestId: row.request_id,
    metadata: row.metadata,
    candidates: row.candidates ?? [],
    route: row.route,
    retryOf: row.retry_of,
    losses: row.losses,
    attempts: row.attempts,
    createdAt: row.created_at.getTime(),
    startBy: toMs(row.start_by),
    finishBy: toMs(row.finish_by),
    enqueuedAt: toMs(row.enqueued_at),
    startedAt: toMs(row.started_at),
    firstTokenAt: toMs(row.first_token_at),
    endedAt: toMs(row.ended_at),
    deployment: row.deployment,
    usage: toUsage(row),
    costNanoUsd: row.cost_nano_usd,
    error: row.error,
    finishReason: row.finish_reason,
    result: row.result ?? null,
  }
}

function toMs(date: Date | null): number | null {
  return date === null ? null : date.getTime()
}

function toUsage(row: JobRow): TokenUsage | null {
  if (row.prompt_tokens === null || row.completion_tokens === null) return null
  return {
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    ...(row.cached_tokens === null ? {} : { cachedTokens: row.cached_tokens }),
    ...(row.reasoning_tokens === null ? {} : { reasoningTokens: row.reasoning_tokens }),
    ...(row.estimated ? { estimated: true } : {}),
  }
}

/** What it takes to run a job again. Only rows of asynchronous jobs that have not completed hold all of it. */
export const specColumns = `
  id, type, operation, request, model, candidates, route, cascade_check, webhook, owner, tier, mode, stream, keep_result, created_at, start_by, finish_by,
  metadata, request_id, retry_of, share`

export interface SpecRow {
  readonly id: string
  readonly type: JobType
  readonly operation: Operation
  readonly request: Readonly<Record<string, unknown>>
  readonly model: string
  readonly candidates: readonly Candidate[]
  readonly route: RouteNote | null
  readonly cascade_check: CascadeCheck | null
  readonly webhook: JobWebhook | null
  readonly owner: string
  readonly tier: Tier
  readonly mode: 'interactive' | 'async'
  readonly stream: boolean
  readonly keep_result: boolean
  readonly created_at: Date
  readonly start_by: Date
  readonly finish_by: Date
  readonly metadata: Readonly<Record<string, string>>
  readonly request_id: string
  readonly retry_of: string | null
  readonly share: JobShare | null
}

export function toJobSpec(row: SpecRow): JobSpec {
  return {
    id: row.id,
    type: row.type,
    operation: row.operation,
    request: row.request,
    model: row.model,
    candidates: row.candidates,
    ...(row.route === null ? {} : { route: row.route }),
    ...(row.cascade_check === null ? {} : { cascade: row.cascade_check }),
    ...(row.webhook === null ? {} : { webhook: row.webhook }),
    owner: row.owner,
    tier: row.tier,
    ...(row.share === null ? {} : { share: row.share }),
    mode: row.mode,
    stream: row.stream,
    keepResult: row.keep_result,
    createdAt: row.created_at.getTime(),
    startBy: row.start_by.getTime(),
    finishBy: row.finish_by.getTime(),
    metadata: row.metadata,
    requestId: row.request_id,
    ...(row.retry_of === null ? {} : { retryOf: row.retry_of }),
  }
}
