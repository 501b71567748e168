import {
  comparePositions,
  countAttempts,
  InferqError,
  isTerminal,
  type LogEntry,
  type LogPosition,
  parsePosition,
} from '@inferq/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import type { ChunkEncoder } from '../dialects/chunk-encoder.ts'
import { type AnsweredJob, dialectOf, includesUsage } from '../dialects/dialect.ts'
import {
  type ChunkEventFormat,
  type ChunkPosition,
  createJobEventFormat,
  createOpenAiEventFormat,
  type EventFormat,
  lastWholeEntry,
  parseChunkPosition,
  positionOfStored,
} from '../dialects/event-format.ts'
import { findJoinPoint } from '../earlier-job.ts'
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
    const asked = positionOf(request, query.after, query.format === 'openai' ? parseChunkPosition : parsePosition)
    const found = await findJob(core, jobId, owner)
    if (await isAllRead(core, found, asked)) return reply.code(204).send()
    const { after, format } =
      query.format === 'openai' ? await openAiReading(core, found, asked) : jobReading(found, asked)
    const reader = new EventReader(core, reply.raw, { jobId, owner, after, track: trackOf(found, after), format })
    reply.hijack()
    reader.start(headersOf(reply, jobId))
    if (core.closing) reader.dismiss('server stopping')
    return reply
  })
}

/** `Last-Event-ID` wins over `?after=`: a browser that reconnects sends both, and the header is the newer one. */
function positionOf(
  request: FastifyRequest,
  after: string | undefined,
  parse: (text: string) => ChunkPosition | null,
): ChunkPosition | null {
  const header = request.headers['last-event-id']
  const text = typeof header === 'string' && header !== '' ? header : after
  if (text === undefined || text === '') return null
  const position = parse(text)
  if (position !== null) return position
  throw new InferqError({
    code: 'invalid_value',
    message: `Invalid value for '${text === after ? 'after' : 'Last-Event-ID'}': must be the id of an event, like '1-42'.`,
    param: text === after ? 'after' : 'Last-Event-ID',
  })
}

/** Who has the terminal event already gets 204, which tells an EventSource to stay away. */
async function isAllRead(core: IngressCore, found: FoundJob, asked: ChunkPosition | null): Promise<boolean> {
  if (asked === null) return false
  const after = lastWholeEntry(asked)
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

/** From the start this format shows only what is not void: it could not take back what an earlier attempt has shown. */
async function openAiReading(core: IngressCore, found: FoundJob, asked: ChunkPosition | null): Promise<Reading> {
  const job = answeredJob(found)
  const includeUsage = found.kind === 'live' ? includesUsage(found.record.spec.request) : true
  const createEncoder = (): ChunkEncoder => {
    const encoder = dialectOf(job.operation).encoder(job, { includeUsage })
    if (encoder !== null) return encoder
    const message = `Invalid value for 'format': a job of type '${job.operation}' has no chunks.`
    throw new InferqError({ code: 'invalid_value', message, param: 'format' })
  }
  const format = createOpenAiEventFormat(createEncoder, asked)
  if (asked !== null) {
    const after = lastWholeEntry(asked)
    if (found.kind === 'live') await recallUpTo(core, job.id, after, format)
    return { after, format }
  }
  const isFirst = found.kind === 'stored' || found.record.attempt < 2
  return { after: isFirst ? null : (await findJoinPoint(core, found.record)).after, format }
}

const pageSize = 500

async function recallUpTo(
  core: IngressCore,
  jobId: string,
  bound: LogPosition,
  format: ChunkEventFormat,
): Promise<void> {
  let after: LogPosition | null = null
  for (;;) {
    const entries: readonly LogEntry[] = (await core.tokenLog.read(jobId, after, pageSize)) ?? []
    for (const entry of entries) {
      if (comparePositions(entry, bound) > 0) return
      format.recall(entry)
    }
    if (entries.length < pageSize) return
    after = entries.at(-1) ?? null
  }
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
    attempts: countAttempts(after?.attempt ?? 0),
    waiting: status === 'queued',
  })
}

function headersOf(reply: FastifyReply, jobId: string): Record<string, string | number> {
  return { ...streamHeaders(reply), 'x-inferq-job-id': jobId }
}
