import { type ErrorDetail, errorTable } from './errors.ts'
import type { ResponseStatus } from './http-responses.ts'
import type { JobStatus } from './job-state.ts'
import type { TokenUsage } from './log-entry.ts'
import { responseFault } from './response-fault.ts'
import { type ReasoningForm, type ResponseItem, responseIdOf, responseOutput } from './response-output.ts'

/** All there is to say about a response beside its request. Times in ms epoch. */
export interface ResponseFacts {
  /** Of its job. */
  readonly jobId: string
  readonly model: string
  readonly createdAt: number
  readonly status: JobStatus
  readonly endedAt?: number | null
  readonly finishReason?: string | null
  readonly result?: unknown
  readonly usage?: TokenUsage | null
  readonly error?: ErrorDetail | null
  /** Instead of that of the result. */
  readonly output?: readonly ResponseItem[]
}

/** What answers repeat of the request; made by `responseEcho`. */
export type ResponseEcho = Readonly<Record<string, unknown>>

/** The response object. */
export function responseObject(facts: ResponseFacts, echo: ResponseEcho): Readonly<Record<string, unknown>> {
  const { jobId, usage, error, endedAt } = facts
  const status = responseStatusOf(facts.status, facts.finishReason)
  const hasOutput = facts.status === 'completed'
  return {
    id: responseIdOf(jobId),
    object: 'response',
    created_at: Math.floor(facts.createdAt / 1000),
    status,
    completed_at: status === 'completed' && endedAt ? Math.floor(endedAt / 1000) : null,
    error: status === 'failed' ? viewOfError(facts.status, error) : null,
    incomplete_details: status === 'incomplete' ? { reason: incompleteReason(facts.finishReason) } : null,
    model: facts.model,
    ...echo,
    output: hasOutput
      ? (facts.output ?? responseOutput(jobId, facts.result, reasoningFormOf(echo), status === 'completed'))
      : [],
    usage: usage ? viewOfUsage(usage) : null,
  }
}

/** Where a request asked for a summary of the reasoning. */
export function reasoningFormOf(echo: ResponseEcho): ReasoningForm {
  return hasSummary(echo['reasoning']) ? 'summary' : 'content'
}

export function responseStatusOf(status: JobStatus, finishReason: string | null | undefined): ResponseStatus {
  switch (status) {
    case 'queued':
    case 'in_progress':
    case 'failed':
    case 'cancelled':
      return status
    case 'expired':
      return 'failed'
    case 'completed':
      return finishReason === 'length' || finishReason === 'content_filter' ? 'incomplete' : 'completed'
    default:
      return status satisfies never
  }
}

function incompleteReason(finishReason: string | null | undefined): 'max_output_tokens' | 'content_filter' {
  return finishReason === 'length' ? 'max_output_tokens' : 'content_filter'
}

function viewOfError(status: JobStatus, error: ErrorDetail | null | undefined): object {
  const { code, message, param }: ErrorDetail = responseFault(
    error ??
      (status === 'expired'
        ? { code: 'job_expired', message: 'The response was not finished in time.' }
        : { code: 'internal_error', message: 'The response ended without a result.' }),
  )
  return { code, message, type: errorTable[code].type, param: param ?? null }
}

function viewOfUsage(usage: TokenUsage): object {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens ?? 0 },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.promptTokens + usage.completionTokens,
  }
}

function hasSummary(reasoning: unknown): boolean {
  return (
    typeof reasoning === 'object' &&
    reasoning !== null &&
    'summary' in reasoning &&
    typeof reasoning.summary === 'string'
  )
}
