import { isTerminal, isTerminalKind, type JobSpec } from '@inferq/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { jobHeaders } from '../answer-headers.ts'
import type { IngressCore } from '../dependencies.ts'
import type { AnswerDialect } from '../dialects/answer-dialect.ts'
import { type FoundJob, findJob, liveFacts, placeInLine } from '../find-job.ts'
import { readResult } from '../found-result.ts'
import { trackFromStart } from '../job-track.ts'
import { viewOfRecord, viewOfStored } from '../job-view.ts'
import { freshRecord, submitAsync } from '../submit.ts'
import { baseUrl } from './base-url.ts'
import { preferenceApplied, waitSeconds } from './prefer.ts'

/**
 * What a job is answered with that ended within `Prefer: wait=N`: itself, or (an OpenAI route, which would give nothing else
 * to somebody who waits) what it was submitted for, in OpenAI's words or in those of a dialect.
 */
type InTime = 'job' | 'result' | AnswerDialect

/**
 * Submits an asynchronous job and answers 202 with it, or with `Prefer: wait=N` 200 when it ended in time.
 * Throws `service_unavailable` when Postgres did not take it; the job's own error where its result is asked for.
 */
export async function replyAccepted(
  core: IngressCore,
  spec: JobSpec,
  request: FastifyRequest,
  reply: FastifyReply,
  inTime: InTime = 'job',
): Promise<unknown> {
  const seconds = waitSeconds(request.headers, core.options.maxWaitSeconds)
  const wait = seconds > 0 ? waitForEnd(core, spec.id, seconds * 1000, reply) : undefined
  const base = baseUrl(core, request)
  try {
    const watcher = wait === undefined ? undefined : core.follower.watcher
    const submitted = await submitAsync(core, spec, { watcher, hold: request.facts.hold })
    const track = trackFromStart(spec)
    reply.header('location', `${base}/v1/jobs/${spec.id}`).headers(jobHeaders(spec, track))
    if (submitted === 'enqueued' && wait !== undefined) {
      await wait.ended
      return await replyAsItIs(core, spec, request, reply, inTime)
    }
    const place = submitted === 'enqueued' ? await placeInLine(core, track) : { position: null }
    notePreferences(request, reply, { waitedSeconds: 0, isAsynchronous: true })
    return reply.code(202).send(viewOfRecord(freshRecord(spec), { ...place, progress: null, end: null }, base))
  } finally {
    wait?.cancel()
  }
}

/** As replyAccepted, for a job that an earlier request with the same Idempotency-Key has submitted. */
export async function replyEarlier(
  core: IngressCore,
  found: FoundJob,
  request: FastifyRequest,
  reply: FastifyReply,
  inTime: InTime = 'job',
): Promise<unknown> {
  const base = baseUrl(core, request)
  const { id, owner } = found.kind === 'live' ? found.record.spec : found.job
  request.facts.jobId = id
  reply.header('location', `${base}/v1/jobs/${id}`).header('x-inferq-job-id', id)
  const seconds = waitSeconds(request.headers, core.options.maxWaitSeconds)
  const status = found.kind === 'live' ? found.record.status : found.job.status
  if (seconds === 0 || isTerminal(status)) return replyFound(core, found, request, reply, inTime)
  const wait = waitForEnd(core, id, seconds * 1000, reply, false)
  try {
    await wait.ended
  } finally {
    wait.cancel()
  }
  return replyFound(core, await findJob(core, id, owner).catch(() => found), request, reply, inTime)
}

/** The job after waiting for it. It is accepted either way, so a failure to look is no failure. */
async function replyAsItIs(
  core: IngressCore,
  spec: JobSpec,
  request: FastifyRequest,
  reply: FastifyReply,
  inTime: InTime,
): Promise<unknown> {
  const found = await findJob(core, spec.id, spec.owner).catch(() => undefined)
  return replyFound(core, found ?? { kind: 'live', record: freshRecord(spec) }, request, reply, inTime)
}

/** 200 when it has ended. */
async function replyFound(
  core: IngressCore,
  found: FoundJob,
  request: FastifyRequest,
  reply: FastifyReply,
  inTime: InTime,
): Promise<unknown> {
  const waitedSeconds = waitSeconds(request.headers, core.options.maxWaitSeconds)
  const isAsynchronous = !isTerminal(found.kind === 'live' ? found.record.status : found.job.status)
  notePreferences(request, reply, { waitedSeconds, isAsynchronous })
  if (!isAsynchronous && waitedSeconds > 0 && inTime !== 'job') {
    const result = await readResult(core, found, inTime === 'result' ? undefined : inTime)
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(result))
  }
  const base = baseUrl(core, request)
  const view =
    found.kind === 'stored'
      ? viewOfStored(found.job, base)
      : viewOfRecord(found.record, await liveFacts(core, found.record), base)
  return reply.code(isTerminal(view.status) ? 200 : 202).send(view)
}

function notePreferences(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Parameters<typeof preferenceApplied>[1],
): void {
  const applied = preferenceApplied(request.headers, answer)
  if (applied !== undefined) reply.header('preference-applied', applied)
}

interface EndWait {
  /** Resolves at the end of the job, at the time limit, or when the client is gone. */
  readonly ended: Promise<void>
  cancel(): void
}

/** @param attached the job is about to be opened with this process as its watcher */
export function waitForEnd(
  core: IngressCore,
  jobId: string,
  timeoutMs: number,
  reply: FastifyReply,
  attached = true,
): EndWait {
  const done = Promise.withResolvers<void>()
  const following = core.follower.follow(jobId, {
    after: null,
    attached,
    onEntries(entries) {
      const last = entries.at(-1)
      if (last !== undefined && isTerminalKind(last.kind)) done.resolve()
      return true
    },
    onLost: () => done.resolve(),
  })
  const cancelTimer = core.clock.after(timeoutMs, () => done.resolve())
  const onClose = (): void => done.resolve()
  reply.raw.once('close', onClose)
  core.waits.add(onClose)
  return {
    ended: done.promise,
    cancel() {
      following.close()
      cancelTimer()
      reply.raw.off('close', onClose)
      core.waits.delete(onClose)
    },
  }
}
