import {
  type ChoiceDelta,
  comparePositions,
  countAttempts,
  type EndPayload,
  type ErrorDetail,
  isTerminal,
  type LogEntry,
  type LogPosition,
  lossesBefore,
  statusOfTerminalKind,
  type TerminalStatus,
} from '@inferq/contracts'
import type { StoredJob } from '@inferq/store'
import { type EventFormat, endOfStored } from '../dialects/event-format.ts'
import { EventSequence, firstNumberAfter, type ResponseEvent, type SequenceOptions } from './event-sequence.ts'
import { encodeErrorEvent, encodeEvents } from './sse-events.ts'

export interface ResponseFormatOptions extends Omit<SequenceOptions, 'firstNumber'> {
  /** The client has the events up to this number; -1: none. */
  readonly startingAfter: number
  /** Output up to here is void: it is counted and not told. */
  readonly voidUntil: LogPosition | null
  /** Called with the end of the response. */
  onEnd?(status: TerminalStatus, end: EndPayload): void
}

const lifecycle: ReadonlySet<string> = new Set(['response.created', 'response.queued', 'response.in_progress'])

/**
 * A job's log, read from its beginning, as the events of its response. Numbers count void output too, so that a client who
 * has seen some of it is found out by its number: output that starts over is never joined to what was shown before, the
 * stream ends with an error, and has to be read from its beginning.
 */
export function createResponseFormat(options: ResponseFormatOptions): EventFormat {
  const { voidUntil, onEnd } = options
  const { startingAfter } = options
  const sequence = new EventSequence(options)
  let isOver = false
  /** The client has output of the generation that is told now. */
  let shown = false
  /** Number of the first void event of the generation that is counted now. */
  let voidFrom: number | undefined

  const tell = (events: readonly ResponseEvent[]): string => {
    shown ||= events.some(({ type }) => !lifecycle.has(type))
    return encodeEvents(events.filter((event) => event.sequence_number > startingAfter))
  }

  const fail = (error: ErrorDetail): string => {
    isOver = true
    return encodeErrorEvent(error, Math.max(startingAfter, sequence.number - 1))
  }

  /** Counts the output, and tells what else comes with it. */
  const tellVoid = (events: readonly ResponseEvent[]): string => {
    voidFrom ??= events.find(({ type }) => !lifecycle.has(type))?.sequence_number
    return encodeEvents(events.filter((event) => lifecycle.has(event.type) && event.sequence_number > startingAfter))
  }

  const startOver = (): string => {
    const hasVoid = voidFrom !== undefined && startingAfter >= voidFrom && startingAfter < sequence.number
    if (shown || hasVoid) return fail(startedOver)
    voidFrom = undefined
    sequence.restart()
    return ''
  }

  /** The log begins with this: Redis has lost what was told before. Who has had output of it is found out by its number. */
  const startOverAfterLoss = (losses: number): string => {
    const text = tell(sequence.started())
    const isOfLost = startingAfter >= sequence.number && startingAfter < firstNumberAfter(losses)
    if (shown || isOfLost) return fail(startedOver)
    sequence.restart(firstNumberAfter(losses))
    return text
  }

  const encodeEnd = (status: TerminalStatus, end: EndPayload): string => {
    onEnd?.(status, end)
    return tell(sequence.end(status, end))
  }

  return {
    name: 'responses',
    get isOver() {
      return isOver
    },
    encode(entry) {
      switch (entry.kind) {
        case 'q':
          return tell(sequence.created())
        case 's':
          return tell(sequence.started())
        case 't':
        case 'd': {
          const events = outputEvents(sequence, entry)
          return voidUntil !== null && comparePositions(entry, voidUntil) < 0 ? tellVoid(events) : tell(events)
        }
        case 'x':
          return countAttempts(entry.attempt) === 0 ? startOverAfterLoss(lossesBefore(entry.attempt)) : startOver()
        case 'm':
        case 'p':
        case 'r':
          return ''
        default:
          return encodeEnd(statusOfTerminalKind(entry.kind), JSON.parse(entry.payload) as EndPayload)
      }
    },
    /**
     * Made of the result, which has the same content in other pieces: who has pieces of the log gets the terminal event
     * alone, which has everything, under a number that comes after.
     */
    encodeStored(job: StoredJob) {
      if (!isTerminal(job.status)) return ''
      const prelude = new EventSequence(options)
      prelude.started()
      if (!shown && startingAfter < prelude.number) return encodeEnd(job.status, endOfStored(job))
      onEnd?.(job.status, endOfStored(job))
      const last = sequence.end(job.status, endOfStored(job)).at(-1)
      if (last === undefined) return ''
      return encodeEvents([{ ...last, sequence_number: Math.max(last.sequence_number, startingAfter + 1) }])
    },
    farewell: (why) =>
      isOver
        ? ''
        : fail({
            code: 'stream_interrupted',
            message: `The stream ends here (${why}). Read on with 'starting_after'.`,
          }),
  }
}

const startedOver: ErrorDetail = {
  code: 'stream_interrupted',
  message: 'The output starts over. Read the events of this response from the beginning.',
}

function outputEvents(sequence: EventSequence, { kind, payload }: LogEntry): ResponseEvent[] {
  return kind === 't' ? sequence.text(payload) : sequence.deltas(JSON.parse(payload) as ChoiceDelta[])
}
