import {
  type EndPayload,
  InferqError,
  isTerminal,
  isTerminalKind,
  type JobRecord,
  type LogPosition,
  type ProgressPayload,
} from '@inferq/contracts'
import type { JobReference } from '@inferq/queue'
import type { StoredJob } from '@inferq/store'
import type { IngressCore } from './dependencies.ts'
import type { LiveFacts } from './job-view.ts'

/** A job: live, or as it was recorded. */
export type FoundJob =
  | { readonly kind: 'live'; readonly record: JobRecord }
  | { readonly kind: 'stored'; readonly job: StoredJob }

/** Ids we make; anything else is no job's, and not worth a look. */
const jobIdPattern = /^job_[0-9a-z]{1,60}$/

/**
 * Looks a job up: its live record first, then the record of truth, which also answers while Redis is away.
 * Throws `job_not_found` for none or another owner's, `job_gone` past its retention, `service_unavailable`.
 * `owner`: null for everybody's, which only operators may see.
 */
export async function findJob(core: IngressCore, jobId: string, owner: string | null): Promise<FoundJob> {
  if (!jobIdPattern.test(jobId)) throw jobNotFound(jobId)
  let redisFailure: unknown
  const record = await core.tokenLog.record(jobId).catch((thrown: unknown) => {
    redisFailure = thrown
    return null
  })
  if (record !== null) {
    if (owner !== null && record.spec.owner !== owner) throw jobNotFound(jobId)
    return { kind: 'live', record }
  }
  const lookup = await core.store.getJob(jobId, owner)
  switch (lookup.kind) {
    case 'found':
      return { kind: 'stored', job: lookup.job }
    case 'gone':
      throw new InferqError({ code: 'job_gone', message: `The job '${jobId}' is past its retention.` })
    case 'unknown':
      // An interactive job is only in Redis.
      if (redisFailure !== undefined) throw redisFailure
      throw jobNotFound(jobId)
    default:
      return lookup satisfies never
  }
}

function jobNotFound(jobId: string): InferqError {
  return new InferqError({ code: 'job_not_found', message: `No such job: '${jobId.slice(0, 80)}'.` })
}

/** What the live record does not hold itself: the place in line, the progress, the end. */
export async function liveFacts(core: IngressCore, record: JobRecord): Promise<LiveFacts> {
  const { spec, hop, status } = record
  if (isTerminal(status)) return { position: null, progress: null, end: await readEnd(core, record) }
  if (status === 'queued') {
    const modelClass = spec.candidates[hop]?.class ?? ''
    return { ...(await placeInLine(core, { jobId: spec.id, hop, class: modelClass })), progress: null, end: null }
  }
  return { position: null, progress: spec.operation === 'summary' ? await readProgress(core, record) : null, end: null }
}

/** Nulls where it does not wait (any more), or nobody can tell. */
export async function placeInLine(
  core: IngressCore,
  reference: Pick<JobReference, 'jobId' | 'hop' | 'class'>,
): Promise<Pick<LiveFacts, 'position' | 'etaSeconds'>> {
  const position = await core.queue.position(reference).catch(() => null)
  if (position === null) return { position }
  return { position, etaSeconds: await core.pace.etaSeconds(reference.class, position) }
}

/** The end of a job whose record says it ended; null when its log is no longer there. */
export async function readEnd(core: IngressCore, record: JobRecord): Promise<EndPayload | null> {
  let after: LogPosition | null = record.attempt > 0 ? { attempt: record.attempt, seq: 0 } : null
  for (;;) {
    const entries = await core.tokenLog.read(record.spec.id, after)
    const last = entries?.at(-1)
    if (last === undefined) return null
    if (isTerminalKind(last.kind)) return JSON.parse(last.payload) as EndPayload
    after = last
  }
}

/** The latest progress of the running attempt; its entries come before any output. */
async function readProgress(core: IngressCore, record: JobRecord): Promise<ProgressPayload | null> {
  const entries = await core.tokenLog.read(record.spec.id, { attempt: record.attempt, seq: 0 })
  const last = entries?.findLast((entry) => entry.kind === 'p')
  return last === undefined ? null : (JSON.parse(last.payload) as ProgressPayload)
}
