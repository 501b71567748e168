import {
  attemptBase,
  type ChoiceDelta,
  comparePositions,
  type EndPayload,
  type ErrorDetail,
  formatPosition,
  isTerminal,
  type LogEntry,
  type LogPosition,
  parsePosition,
  statusOfTerminalKind,
} from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import { errorOfEnd } from '../job-end.ts'
import { type ChunkEncoder, encodeStreamError } from './chunk-encoder.ts'
import type { AnsweredJob } from './dialect.ts'
import { encodeJobEvent, encodeTerminalEvent } from './job-events.ts'

/** How the events of a job are told to one reader. */
export interface EventFormat {
  readonly name: 'jobs' | 'openai' | 'responses'
  /** Nothing more may be sent: the stream ends here, though the job may not have. */
  readonly isOver: boolean
  /** The text of an entry; empty where this format has nothing to say about it. */
  encode(entry: LogEntry): string
  /** The end of a job whose log is no longer there. */
  encodeStored(job: StoredJob): string
  /** The stream ends here, and can be read on elsewhere. Absent: nothing is said. */
  farewell?(why: string): string
}

/**
 * Where a reader of chunks stands: it has everything up to this entry; of the entry itself the first `events`, or all of
 * them. One entry may hold what makes several chunks, and a connection may break between any two.
 */
export interface ChunkPosition extends LogPosition {
  readonly events?: number
}

/** `<attempt>-<seq>`, or `<attempt>-<seq>.<events>` within an entry. Null for anything else. */
export function parseChunkPosition(text: string): ChunkPosition | null {
  const [, whole = '', events] = /^([^.]*)(?:\.([1-9]\d{0,5}))?$/.exec(text) ?? []
  const position = parsePosition(whole)
  return position === null || events === undefined ? position : { ...position, events: Number(events) }
}

/** The last entry that such a reader has whole: it reads on after that. */
export function lastWholeEntry({ attempt, seq, events }: ChunkPosition): LogPosition {
  if (events === undefined) return { attempt, seq }
  if (seq > 0) return { attempt, seq: seq - 1 }
  return attempt > 0 ? { attempt: attempt - 1, seq: lastSeq } : { attempt: 0, seq: 0 }
}

export function createJobEventFormat(job: AnsweredJob): EventFormat {
  return {
    name: 'jobs',
    isOver: false,
    encode: (entry) => encodeJobEvent(job, entry),
    encodeStored: (stored) =>
      isTerminal(stored.status)
        ? encodeTerminalEvent(job, positionOfStored(stored), stored.status, endOfStored(stored))
        : '',
  }
}

export interface ChunkEventFormat extends EventFormat {
  /** An entry that the client was told before: what follows is told as if this format had told it. */
  recall(entry: LogEntry): void
}

/**
 * OpenAI's chunks under the ids of the log's entries. This format cannot take anything back: what starts over ends the
 * stream with an error, without an id, so that reading on from the last one meets it again.
 * @param asked what the client has; every entry up to there has to be recalled first
 */
export function createOpenAiEventFormat(
  createEncoder: () => ChunkEncoder,
  asked: ChunkPosition | null = null,
): ChunkEventFormat {
  let encoder = createEncoder()
  let shown = asked !== null && asked.attempt > 0 && asked.seq > 0
  let isOver = false

  /** How many events of an entry the client has. */
  const toldOf = (position: LogPosition): number =>
    asked?.events !== undefined && comparePositions(position, asked) === 0 ? asked.events : 0

  const fail = (error: ErrorDetail): string => {
    isOver = true
    return encodeStreamError(error)
  }
  const encodeEnd = (position: LogPosition, status: string, end: EndPayload): string =>
    withIds(
      position,
      status === 'completed' ? encoder.end(end) : encodeStreamError(errorOfEnd(status, end)),
      toldOf(position),
    )

  return {
    name: 'openai',
    get isOver() {
      return isOver
    },
    encode(entry) {
      switch (entry.kind) {
        case 't':
          shown = true
          return withIds(entry, encoder.text(entry.payload), toldOf(entry))
        case 'd':
          shown = true
          return withIds(entry, encoder.deltas(JSON.parse(entry.payload) as ChoiceDelta[]), toldOf(entry))
        case 'x':
          return shown ? fail(startedOver) : ''
        case 'q':
        case 's':
        case 'm':
        case 'p':
        case 'r':
          return ''
        default:
          return encodeEnd(entry, statusOfTerminalKind(entry.kind), JSON.parse(entry.payload) as EndPayload)
      }
    },
    encodeStored(job) {
      const position = positionOfStored(job)
      // Which part of the answer the client has, only the log could tell.
      if (job.status === 'completed' && shown && toldOf(position) === 0) return fail(logGone)
      return encodeEnd(position, job.status, endOfStored(job))
    },
    recall(entry) {
      if (entry.kind === 't') encoder.text(entry.payload)
      else if (entry.kind === 'd') encoder.deltas(JSON.parse(entry.payload) as ChoiceDelta[])
      else if (entry.kind === 'x') {
        encoder = createEncoder()
        shown = false
        return
      } else return
      shown = true
    },
  }
}

const startedOver: ErrorDetail = {
  code: 'stream_interrupted',
  message: 'The output starts over. Read the events of this job from the beginning.',
}

const logGone: ErrorDetail = {
  code: 'stream_interrupted',
  message:
    'The output is no longer kept token by token. Read the result of this job, or its events from the beginning.',
}

const lastSeq = 999_999_999

/** Where a reader stands who was served from the record of truth: after everything its log can have held. */
export function positionOfStored(job: Pick<StoredJob, 'attempts' | 'losses'>): LogPosition {
  const attempt = job.attempts.at(-1)?.attempt ?? attemptBase(job.losses)
  return { attempt: Math.max(1, attempt), seq: lastSeq }
}

/** The end of a job as its log told it, from the record of truth. */
export function endOfStored(job: StoredJob): EndPayload {
  return {
    at: job.endedAt ?? job.createdAt,
    ...(job.result === null ? {} : { result: job.result }),
    ...(job.error === null ? {} : { error: job.error }),
    ...(job.usage === null ? {} : { usage: job.usage }),
    ...(job.finishReason === null ? {} : { finishReason: job.finishReason }),
    ...(job.deployment === null ? {} : { deployment: job.deployment }),
  }
}

/** The last event of an entry gets the entry's id; one before says how many of them the client has with it. */
function withIds(position: LogPosition, events: string, told: number): string {
  const id = formatPosition(position)
  // Nearly every entry is one event. Data is JSON: an empty line only ends an event.
  if (told === 0 && events.indexOf('\n\n') === events.length - 2) return `id: ${id}\n${events}`
  const parts = events.split('\n\n').slice(0, -1)
  return parts
    .map((part, index) => `id: ${index === parts.length - 1 ? id : `${id}.${index + 1}`}\n${part}\n\n`)
    .slice(told)
    .join('')
}
