import { InferqError, isTerminal, type JobRecord, type LogEntry, type LogPosition } from '@inferq/contracts'
import type { IngressCore } from './dependencies.ts'
import { type FoundJob, findJob } from './find-job.ts'
import type { EarlierThing } from './idempotency.ts'
import { type JobTrack, trackFromStart } from './job-track.ts'

/**
 * What became of the job that an earlier request with the same Idempotency-Key made, for a caller who wants its answer.
 * A job that ended without one is `unanswered`. Throws `service_unavailable`.
 */
export async function findAnsweredJob(
  core: IngressCore,
  jobId: string,
  owner: string,
  answer: (found: FoundJob) => Promise<unknown>,
): Promise<EarlierThing> {
  const found = await findEarlierJob(core, jobId, owner)
  if ('known' in found) return { kind: found.known }
  const status = found.kind === 'live' ? found.record.status : found.job.status
  if (isTerminal(status) && status !== 'completed') return { kind: 'unanswered' }
  if (found.kind === 'stored') {
    // Accepted, and not (or no more) in Redis: it will be.
    if (!isTerminal(status)) return { kind: 'pending' }
    if (found.job.result === null) return { kind: 'unanswered' }
  }
  return { kind: 'found', answer: () => answer(found) }
}

/** As findAnsweredJob, for a caller who wants the job itself, however it ended. */
export async function findAcceptedJob(
  core: IngressCore,
  jobId: string,
  owner: string | null,
  answer: (found: FoundJob) => Promise<unknown>,
): Promise<EarlierThing> {
  const found = await findEarlierJob(core, jobId, owner)
  if ('known' in found) return { kind: found.known }
  return { kind: 'found', answer: () => answer(found) }
}

type NotFound = { readonly known: 'unknown' | 'pending' | 'unanswered' }

async function findEarlierJob(core: IngressCore, jobId: string, owner: string | null): Promise<FoundJob | NotFound> {
  try {
    return await findJob(core, jobId, owner)
  } catch (thrown) {
    if (!(thrown instanceof InferqError)) throw thrown
    if (thrown.code === 'job_gone') return { known: 'unanswered' }
    if (thrown.code !== 'job_not_found') throw thrown
    // An interactive job that has ended drops its specification, and is recorded a moment later.
    const [status] = await core.tokenLog.statuses([jobId])
    return { known: status ? 'pending' : 'unknown' }
  }
}

/** Where somebody begins to read who comes to a job that runs: after everything that is void. */
export interface JoinPoint {
  readonly after: LogPosition | null
  /** What the entries up to there have told. */
  readonly track: JobTrack
}

const pageSize = 500

export async function findJoinPoint(core: IngressCore, { spec }: JobRecord): Promise<JoinPoint> {
  const track = trackFromStart(spec)
  let unseen: LogEntry[] = []
  let voided: LogPosition | null = null
  let after: LogPosition | null = null
  for (;;) {
    const entries: readonly LogEntry[] = (await core.tokenLog.read(spec.id, after, pageSize)) ?? []
    for (const entry of entries) {
      if (entry.kind !== 't' && entry.kind !== 'd') unseen.push(entry)
      if (entry.kind !== 'x') continue
      for (const past of unseen) track.see(past, core.clock.now())
      unseen = []
      voided = { attempt: entry.attempt, seq: entry.seq }
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < pageSize) return { after: voided, track }
    after = last
  }
}
