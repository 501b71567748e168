import {
  type ChoiceDelta,
  type EndPayload,
  type ErrorDetail,
  formatPosition,
  isTerminal,
  type LogEntry,
  type LogPosition,
  statusOfTerminalKind,
} from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import { errorOfEnd } from '../job-end.ts'
import { type ChunkEncoder, encodeStreamError } from './chunk-encoder.ts'
import type { AnsweredJob } from './dialect.ts'
import { encodeJobEvent, encodeTerminalEvent } from './job-events.ts'

/** How the events of a job are told to one reader. */
export interface EventFormat {
  readonly name: 'jobs' | 'openai'
  /** Nothing more may be sent: the stream ends here, though the job may not have. */
  readonly isOver: boolean
  /** The text of an entry; empty where this format has nothing to say about it. */
  encode(entry: LogEntry): string
  /** The end of a job whose log is no longer there. */
  encodeStored(job: StoredJob): string
  /** Everything told so far is void. */
  reset(): string
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
    reset: () => 'event: output.reset\ndata: {}\n\n',
  }
}

/**
 * OpenAI's chunks under the ids of the log's entries. This format cannot take anything back: what starts over ends the
 * stream with an error, without an id, so that reading on from the last one meets it again.
 */
export function createOpenAiEventFormat(encoder: ChunkEncoder, resumed: boolean): EventFormat {
  let shown = resumed
  let isOver = false

  const fail = (error: ErrorDetail): string => {
    isOver = true
    return encodeStreamError(error)
  }
  const encodeEnd = (position: LogPosition, status: string, end: EndPayload): string =>
    withId(position, status === 'completed' ? encoder.end(end) : encodeStreamError(errorOfEnd(status, end)))

  return {
    name: 'openai',
    get isOver() {
      return isOver
    },
    encode(entry) {
      switch (entry.kind) {
        case 't':
          shown = true
          return withId(entry, encoder.text(entry.payload))
        case 'd':
          shown = true
          return withId(entry, encoder.deltas(JSON.parse(entry.payload) as ChoiceDelta[]))
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
    encodeStored: (job) => encodeEnd(positionOfStored(job), job.status, endOfStored(job)),
    reset: () => (shown ? fail(startedOver) : ''),
  }
}

const startedOver: ErrorDetail = {
  code: 'stream_interrupted',
  message: 'The output starts over. Read the events of this job from the beginning.',
}

/** Where a reader stands who was served from the record of truth: after everything its log can have held. */
export function positionOfStored(job: Pick<StoredJob, 'attempts'>): LogPosition {
  return { attempt: Math.max(1, job.attempts.at(-1)?.attempt ?? 0), seq: 999_999_999 }
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

/** The id goes to the last event of an entry: who is cut off before it gets the entry again, whole. */
function withId(position: LogPosition, events: string): string {
  const last = events.lastIndexOf('\n\ndata: ', events.length - 3)
  const start = last < 0 ? 0 : last + 2
  return `${events.slice(0, start)}id: ${formatPosition(position)}\n${events.slice(start)}`
}
