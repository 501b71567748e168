import { countAttempts, type EndPayload, type JobSpec } from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import { JobTrack, servedModel } from './job-track.ts'

export type Headers = Record<string, string | number>

type HeaderSpec = Pick<JobSpec, 'id' | 'model' | 'candidates' | 'route'>

/** Facts about a job that are known before its end, under our names and LiteLLM's. */
export function jobHeaders(spec: HeaderSpec, track: JobTrack): Headers {
  const headers: Headers = {
    'x-inferq-job-id': spec.id,
    'x-inferq-model': safeHeader(servedModel(spec, track.hop)),
    'x-inferq-class': safeHeader(track.class),
    'x-litellm-call-id': spec.id,
    'x-litellm-model-group': safeHeader(spec.model),
  }
  const { rule, variant } = spec.route ?? {}
  if (rule !== undefined) headers['x-inferq-route'] = safeHeader(rule)
  if (variant !== undefined) headers['x-inferq-variant'] = safeHeader(variant)
  if (track.deployment !== undefined) nameDeployment(headers, track.deployment)
  if (track.attempts > 0) {
    headers['x-inferq-attempts'] = track.attempts
    headers['x-litellm-attempted-retries'] = track.attempts - 1
    headers['x-litellm-attempted-fallbacks'] = track.fallbacks
    headers['x-inferq-fallbacks'] = track.fallbacks
  }
  return headers
}

/**
 * The same at the end: which deployment answered, how long the job waited, and what inferq added to the upstream's time.
 * Times of the attempt come from the worker's clock; the part that two clocks could make negative is cut off.
 */
export function endHeaders(spec: JobSpec, track: JobTrack, end: EndPayload, now: number): Headers {
  const headers = jobHeaders(spec, track)
  if (end.deployment !== undefined) nameDeployment(headers, end.deployment)
  if (end.costNanoUsd !== undefined && end.costNanoUsd !== null) nameCost(headers, end.costNanoUsd)
  headers['x-litellm-response-duration-ms'] = now - spec.createdAt
  if (end.timings !== undefined) {
    const overheadMs = Math.max(0, now - spec.createdAt - (end.timings.endedAt - end.timings.startedAt))
    headers['x-inferq-queued-ms'] = Math.max(0, end.timings.startedAt - spec.createdAt)
    headers['x-inferq-overhead-ms'] = overheadMs
    headers['x-litellm-overhead-duration-ms'] = overheadMs
  }
  return headers
}

/** The same of a job from the record of truth. Its times are not this answer's. */
export function storedHeaders(job: StoredJob): Headers {
  const model = job.servedModel ?? job.model
  const hop = job.attempts.at(-1)?.hop ?? 0
  const track = new JobTrack({
    jobId: job.id,
    class: job.class,
    hop: 0,
    attempts: countAttempts(job.attempts.at(-1)?.attempt ?? 0),
    waiting: false,
  })
  track.deployment = job.deployment ?? undefined
  track.fallbacks = hop
  const candidates = [{ model, class: job.class, deployments: [] }]
  const { id, route } = job
  const headers = jobHeaders({ id, model: job.model, candidates, ...(route === null ? {} : { route }) }, track)
  if (job.costNanoUsd !== null) nameCost(headers, job.costNanoUsd)
  return headers
}

function nameCost(headers: Headers, costNanoUsd: number): void {
  const usd = decimalUsd(costNanoUsd)
  headers['x-inferq-cost'] = usd
  headers['x-litellm-response-cost'] = usd
}

function nameDeployment(headers: Headers, deployment: string): void {
  headers['x-inferq-deployment'] = safeHeader(deployment)
  headers['x-litellm-model-id'] = safeHeader(deployment)
}

/** In USD, without an exponent: not every reader of a header takes 1e-7 for a number. */
function decimalUsd(nanoUsd: number): string {
  return (nanoUsd / 1e9).toFixed(9).replace(/\.?0+$/, '')
}

/** Names from a configuration may hold what a header may not. */
function safeHeader(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text)
}
