import {
  type EndPayload,
  InferqError,
  isTerminal,
  jobIdOfResponse,
  type ResponseItem,
  reasoningFormOf,
  responseObject,
  responseOutput,
  responseStatusOf,
} from '@inferq/contracts'
import type { StoredResponse } from '@inferq/store'
import type { IngressCore } from '../dependencies.ts'
import { endOfStored } from '../dialects/event-format.ts'
import { type FoundJob, findJob, readEnd } from '../find-job.ts'
import { factsOfEnd } from './response-dialect.ts'

/** A stored response of the asking owner, and its job. */
export interface FoundResponse {
  readonly response: StoredResponse
  readonly job: FoundJob
}

/** Throws `response_not_found` for none, another owner's, a deleted one and one past its retention; `service_unavailable`. */
export async function findResponse(core: IngressCore, responseId: string, owner: string): Promise<FoundResponse> {
  const jobId = jobIdOfResponse(responseId)
  const response = jobId === null ? null : await core.store.getResponse(jobId, owner)
  if (response === null) throw responseNotFound(responseId)
  try {
    return { response, job: await findJob(core, response.jobId, owner) }
  } catch (thrown) {
    const isGone = thrown instanceof InferqError && (thrown.code === 'job_not_found' || thrown.code === 'job_gone')
    throw isGone ? responseNotFound(responseId) : thrown
  }
}

export function responseNotFound(responseId: string, param?: string): InferqError {
  const message = `Response with id '${responseId.slice(0, 80)}' not found.`
  return new InferqError({ code: 'response_not_found', message, ...(param === undefined ? {} : { param }) })
}

/** The response object as of now. */
export async function presentResponse(core: IngressCore, found: FoundResponse): Promise<object> {
  const { response, job } = found
  const { id: jobId, model, createdAt } = factsOf(job)
  const end = await endOf(core, job)
  const status = statusOf(job)
  // Ended, and neither its log nor its row says how: it is being recorded.
  if (isTerminal(status) && end === null) {
    throw new InferqError({ code: 'service_unavailable', message: 'The response is being recorded.' })
  }
  const facts = { jobId, model, createdAt, status }
  return responseObject(end === null ? facts : { ...facts, ...factsOfEnd(end), result: end.result }, response.request)
}

/** What it answered; empty unless it completed. Null while it goes on. */
export async function outputOf(
  core: IngressCore,
  { response, job }: FoundResponse,
): Promise<readonly ResponseItem[] | null> {
  const status = statusOf(job)
  if (!isTerminal(status)) return null
  if (status !== 'completed') return []
  const end = await endOf(core, job)
  if (end === null) return null
  return outputOfResult(response, end)
}

export function outputOfResult(
  { jobId, request }: Pick<StoredResponse, 'jobId' | 'request'>,
  end: { readonly result?: unknown; readonly finishReason?: string | null },
): readonly ResponseItem[] {
  const isWhole = responseStatusOf('completed', end.finishReason) === 'completed'
  return responseOutput(jobId, end.result, reasoningFormOf(request), isWhole)
}

function factsOf(job: FoundJob): { readonly id: string; readonly model: string; readonly createdAt: number } {
  return job.kind === 'live' ? job.record.spec : job.job
}

export function statusOf(job: FoundJob) {
  return job.kind === 'live' ? job.record.status : job.job.status
}

async function endOf(core: IngressCore, job: FoundJob): Promise<EndPayload | null> {
  if (!isTerminal(statusOf(job))) return null
  if (job.kind === 'stored') return endOfStored(job.job)
  const end = await readEnd(core, job.record)
  if (end !== null) return end
  const { id, owner } = job.record.spec
  const lookup = await core.store.getJob(id, owner)
  return lookup.kind === 'found' && isTerminal(lookup.job.status) ? endOfStored(lookup.job) : null
}
