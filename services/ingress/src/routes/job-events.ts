import { comparePositions, InferqError, isTerminal, type LogPosition, parsePosition } from '@inferq/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { type AnsweredJob, dialectOf, includesUsage } from '../dialects/dialect.ts'
import {
  createJobEventFormat,
  createOpenAiEventFormat,
  type EventFormat,
  positionOfStored,
} from '../dialects/event-format.ts'
import { EventReader } from '../event-reader.ts'
import { type FoundJob, findJob } from '../find-job.ts'
import { JobTrack } from '../job-track.ts'
import { jobDocs } from '../openapi/job-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { jobIdOf } from './jobs.ts'
import { streamHeaders } from './stream-headers.ts'

/** `GET /v1/jobs/{id}/events`: a job's events from any position on, as long as the job is kept. */
export function registerJobEventRoute(app: FastifyInstance, core: IngressCore): void {
  // A HEAD would wait for the end of the job like a reader.
  app.get('/v1/jobs/:id/events', { schema: jobDocs.events, exposeHeadRoute: false }, async (request, reply) => {
    const jobId = jobIdOf(request)
    const { owner } = identityOf(request)
    const query = request.query as { after?: string; format?: 'jobs' | 'openai' }
    const asked = positionOf(request, query.after)
    const found = await findJob(core, jobId, owner)
    if (await isAllRead(core, found, asked)) return reply.code(204).send()
    const { after, format } = query.format === 'openai' ? openAiReading(found, asked) : jobReading(found, asked)
    const reader = new EventReader(core, reply.raw, { jobId, owner, after, track: trackOf(found, after), format })
    reply.hijack()
    reader.start(headersOf(reply, jobId))
    if (core.stopping) reader.dismiss('server stopping')
    return reply
  })
}

/** `Last-Event-ID` wins over `?after=`: a browser that reconnects sends both, and the header is the newer one. */
function positionOf(request: FastifyRequest, after: string | undefined): LogPosition | null {
  const header = request.headers['last-event-id']
  const text = typeof header === 'string' && header !== '' ? header : after
  if (text === undefined || text === '') return null
  const position = parsePosition(text)
  if (position !== null) return position
  throw new InferqError({
    code: 'invalid_value',
    message: `Invalid value for '${text === after ? 'after' : 'Last-Event-ID'}': must be the id of an event, like '1-42'.`,
    param: text === after ? 'after' : 'Last-Event-ID',
  })
}

/** Who has the terminal event already gets 204, which tells an EventSource to stay away. */
async function isAllRead(core: IngressCore, found: FoundJob, after: LogPosition | null): Promise<boolean> {
  if (after === null) return false
  if (found.kind === 'stored') {
    return isTerminal(found.job.status) && comparePositions(after, positionOfStored(found.job)) >= 0
  }
  if (!isTerminal(found.record.status)) return false
  const rest = await core.tokenLog.read(found.record.spec.id, after, 1)
  return rest?.length === 0
}

interface Reading {
  readonly after: LogPosition | null
  readonly format: EventFormat
}

function jobReading(found: FoundJob, after: LogPosition | null): Reading {
  return { after, format: createJobEventFormat(answeredJob(found)) }
}

/** From the start this format shows only the latest attempt: it could not take back what an earlier one has shown. */
function openAiReading(found: FoundJob, asked: LogPosition | null): Reading {
  const job = answeredJob(found)
  const attempt = found.kind === 'live' ? found.record.attempt : 0
  const after = asked === null && attempt > 1 ? { attempt, seq: 1 } : asked
  const resumed = asked !== null && asked.attempt > 0 && asked.seq > 0
  const includeUsage = found.kind === 'live' ? includesUsage(found.record.spec.request) : true
  const encoder = dialectOf(job.operation).encoder(job, { includeUsage, resumed })
  if (encoder !== null) return { after, format: createOpenAiEventFormat(encoder, resumed) }
  const message = `Invalid value for 'format': a job of type '${job.operation}' has no chunks.`
  throw new InferqError({ code: 'invalid_value', message, param: 'format' })
}

function answeredJob(found: FoundJob): AnsweredJob {
  const { id, operation, model, createdAt } = found.kind === 'live' ? found.record.spec : found.job
  return { id, operation, model, createdAt }
}

/** Where the job was when the reader's next event was written, as far as that is known. */
function trackOf(found: FoundJob, after: LogPosition | null): JobTrack {
  if (found.kind === 'stored') {
    const { id: jobId, class: modelClass, status } = found.job
    return new JobTrack({ jobId, class: modelClass, hop: 0, attempts: 0, waiting: status === 'queued' })
  }
  const { spec, attempts, status } = found.record
  const hop = attempts.find((past) => past.attempt === after?.attempt)?.hop ?? 0
  const modelClass = spec.candidates[hop]?.class ?? ''
  return new JobTrack({
    jobId: spec.id,
    class: modelClass,
    hop,
    attempts: after?.attempt ?? 0,
    waiting: status === 'queued',
  })
}

function headersOf(reply: FastifyReply, jobId: string): Record<string, string | number> {
  return { ...streamHeaders(reply), 'x-inferq-job-id': jobId }
}
