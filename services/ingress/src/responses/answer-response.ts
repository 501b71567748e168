import { InferqError, type JobSpec, type ResponseEcho, responseFault, responseObject } from '@inferq/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { jobHeaders } from '../answer-headers.ts'
import { answerStream } from '../answer-stream.ts'
import { answerWhole } from '../answer-whole.ts'
import type { IngressCore } from '../dependencies.ts'
import { findJoinPoint, type JoinPoint } from '../earlier-job.ts'
import { EventReader } from '../event-reader.ts'
import type { FoundJob } from '../find-job.ts'
import { JobTrack, trackFromStart } from '../job-track.ts'
import { noteEnd } from '../request-facts.ts'
import { replyAnswer } from '../routes/reply-answer.ts'
import { replyStored } from '../routes/reply-stored.ts'
import { streamHeaders } from '../routes/stream-headers.ts'
import { freshRecord, submitAsync } from '../submit.ts'
import type { PreparedResponse } from './prepare-response.ts'
import { createResponseDialect } from './response-dialect.ts'
import { createResponseFormat } from './response-format.ts'

/** Whom a response is told, and how. */
export interface Asked {
  readonly core: IngressCore
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly isStream: boolean
  readonly isBackground: boolean
}

/** Runs the job of a new response, and answers. */
export async function answerNew(asked: Asked, { spec, echo, row }: PreparedResponse): Promise<unknown> {
  const { core, request, reply, isStream, isBackground } = asked
  if (row === null) return answerOnConnection(asked, spec, echo)
  // In this order: no job of a response is without it.
  await core.store.insertResponse(row)
  await submitAsync(core, spec, { hold: request.facts.hold })
  if (isStream)
    return streamFrom(asked, { kind: 'live', record: freshRecord(spec) }, echo, { isAnswer: true, startingAfter: -1 })
  if (!isBackground) return answerOnConnection(asked, spec, echo, { after: null, track: trackFromStart(spec) })
  const { id: jobId, model, createdAt } = spec
  reply.headers(jobHeaders(spec, trackFromStart(spec)))
  return responseObject({ jobId, model, createdAt, status: 'queued' }, echo)
}

/** Answers with a job that an earlier request with the same Idempotency-Key has made, and that has an answer, or will. */
export async function answerEarlier(asked: Asked, found: FoundJob, echo: ResponseEcho): Promise<unknown> {
  const { core, request, reply, isStream } = asked
  if (isStream && echo['store'] === true) return streamFrom(asked, found, echo, { isAnswer: true, startingAfter: -1 })
  if (found.kind === 'stored')
    return replyStored(found.job, request, reply, createResponseDialect(echo, core.clock.now))
  return answerOnConnection(asked, found.record.spec, echo, await findJoinPoint(core, found.record))
}

/** @param join the job is there already */
async function answerOnConnection(
  { core, request, reply, isStream }: Asked,
  spec: JobSpec,
  echo: ResponseEcho,
  join?: JoinPoint,
): Promise<unknown> {
  const dialect = createResponseDialect(echo, core.clock.now)
  try {
    if (isStream) {
      await answerStream(core, spec, reply.raw, streamHeaders(reply), request.facts, join, dialect)
      return reply.hijack()
    }
    return replyAnswer(reply, await answerWhole(core, spec, reply.raw, request.facts, join, dialect))
  } catch (thrown) {
    throw thrown instanceof InferqError ? new InferqError(responseFault(thrown.detail), { cause: thrown }) : thrown
  }
}

/** The events of a stored response, from its log (and where that is gone, from its row). */
export async function streamFrom(
  { core, request, reply }: Omit<Asked, 'isStream' | 'isBackground'>,
  found: FoundJob,
  echo: ResponseEcho,
  { isAnswer, startingAfter }: { readonly isAnswer: boolean; readonly startingAfter: number },
): Promise<unknown> {
  const { id: jobId, model, createdAt, owner } = found.kind === 'live' ? found.record.spec : found.job
  const track = found.kind === 'live' ? trackFromStart(found.record.spec) : endedTrack(jobId)
  // Only a later attempt can have declared something void.
  const isRepeated = found.kind === 'live' && found.record.attempt > 1
  const voidUntil = isRepeated ? (await findJoinPoint(core, found.record)).after : null
  const format = createResponseFormat({
    ...{ jobId, model, createdAt, echo, startingAfter, voidUntil },
    onEnd: (_status, end) => noteEnd(request.facts, createdAt, track, end),
  })
  const reader = new EventReader(core, reply.raw, { jobId, owner, after: null, track, format, isAnswer })
  const headers = found.kind === 'live' ? jobHeaders(found.record.spec, track) : { 'x-inferq-job-id': jobId }
  reply.hijack()
  reader.start({ ...streamHeaders(reply), ...headers })
  if (core.closing && !isAnswer) reader.dismiss('server stopping')
  return reply
}

function endedTrack(jobId: string): JobTrack {
  return new JobTrack({ jobId, class: '', hop: 0, attempts: 0, waiting: false })
}
