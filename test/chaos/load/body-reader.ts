import { createHash } from 'node:crypto'
import type { ClientRequest, ReadEvent } from '../history/history.ts'
import { createSseParser, type SseEvent } from './sse-parser.ts'

/** What a body told. `ended` is how it ended if the connection did not break. */
export interface BodyFacts
  extends Pick<ClientRequest, 'text' | 'errorCode' | 'malformed' | 'outcome'>,
    Partial<Pick<ClientRequest, 'jobId'>> {
  readonly ended: 'whole' | 'terminal' | 'error' | 'silent'
}

/** Takes the body of one answer as it comes. */
export interface BodyReader {
  take(text: string): void
  /** Once the body is over, however it ended. */
  facts(): BodyFacts
}

/** A JSON answer; `factsOf` reads what matters of a right one. Anything but a 2xx has to be the error envelope. */
export function createJsonReader(
  status: number,
  factsOf: (body: JsonBody) => Omit<BodyFacts, 'ended'> = () => ({}),
): BodyReader {
  let text = ''
  return {
    take(piece) {
      text += piece
    },
    facts() {
      const body = parseJson(text)
      if (status >= 400) return { ended: 'whole', errorCode: codeOf(body) }
      if (status === 204) return { ended: 'whole', ...(text === '' ? {} : { malformed: 'a 204 with a body' }) }
      if (body === undefined) return { ended: 'whole', malformed: 'the body is not JSON' }
      return { ended: 'whole', ...factsOf(body) }
    },
  }
}

/** A stream of chat completion chunks. `onChunk` is told of each that brings text. */
export function createChunkReader(onChunk: () => void = () => {}): BodyReader {
  let text = ''
  let ended: BodyFacts['ended'] = 'silent'
  let finishReason: string | undefined
  let id: string | undefined
  let errorCode: string | null | undefined
  let malformed: string | undefined

  const takeChunk = (chunk: JsonBody): void => {
    if (chunk.error !== undefined) {
      ended = 'error'
      errorCode = codeOf(chunk)
      return
    }
    id ??= chunk.id
    if (chunk.object !== 'chat.completion.chunk') malformed ??= `a chunk that is ${JSON.stringify(chunk.object)}`
    if (chunk.id !== id) malformed ??= 'chunks with more than one id'
    const choice = chunk.choices?.[0]
    finishReason ??= choice?.finish_reason ?? undefined
    const piece = choice?.delta?.content ?? ''
    text += piece
    if (piece !== '') onChunk()
  }

  const parser = createSseParser(({ data }) => {
    if (ended !== 'silent') malformed ??= 'something after the end'
    if (data === '[DONE]') {
      ended = 'terminal'
      if (finishReason === undefined) malformed ??= 'no finish reason'
      return
    }
    const chunk = parseJson(data)
    if (chunk === undefined) malformed ??= 'a chunk is not JSON'
    else takeChunk(chunk)
  })

  return {
    take: (piece) => parser.feed(piece),
    facts: () => ({
      ended,
      text,
      ...(errorCode === undefined ? {} : { errorCode }),
      ...(malformed === undefined ? {} : { malformed }),
    }),
  }
}

const terminalEvents = new Set(['job.completed', 'job.failed', 'job.cancelled', 'job.expired'])

/**
 * The events of a job, each told as it comes. A stream may end without a terminal event when a comment behind the last event
 * says why: its reader is to come back.
 */
export function createEventsReader(onEvent: (event: ReadEvent, isTerminal: boolean) => void): BodyReader {
  let ended: BodyFacts['ended'] = 'silent'
  let malformed: string | undefined

  const onData = (event: SseEvent): void => {
    const data = parseJson(event.data)
    const isTerminal = terminalEvents.has(event.event)
    if (data === undefined) malformed ??= `${event.event} ${event.id} is not JSON`
    if (ended === 'error') ended = 'silent'
    if (isTerminal) ended = 'terminal'
    onEvent(readEventOf(event, data), isTerminal)
  }
  const onComment = (comment: string): void => {
    const isOfWaiting = comment === 'heartbeat' || comment.startsWith('queued')
    if (!isOfWaiting && ended === 'silent') ended = 'error'
  }
  const parser = createSseParser(onData, onComment)
  return {
    take: (piece) => parser.feed(piece),
    facts: () => ({ ended, ...(malformed === undefined ? {} : { malformed }) }),
  }
}

function readEventOf({ id, event, data }: SseEvent, body: JsonBody | undefined): ReadEvent {
  if (event === 'output.delta' && typeof body?.text === 'string') return { id, event, text: body.text }
  return { id, event, digest: createHash('sha1').update(data).digest('base64url').slice(0, 12) }
}

/** The fields of all answers that somebody here looks at. */
export interface JsonBody {
  readonly id?: string
  readonly object?: string
  readonly text?: string
  readonly outcome?: string
  readonly error?: unknown
  readonly data?: readonly { readonly embedding?: readonly number[] }[]
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null }
    readonly message?: { readonly content?: string | null }
    readonly finish_reason?: string | null
  }[]
}

/** Of an error in the envelope; null when it is none. */
function codeOf(body: JsonBody | undefined): string | null {
  const error = body?.error as { readonly [field: string]: unknown } | null | undefined
  if (typeof error !== 'object' || error === null) return null
  const { message, type, code, param } = error
  const isEnvelope =
    typeof message === 'string' && typeof type === 'string' && (param === null || typeof param === 'string')
  return isEnvelope && typeof code === 'string' ? code : null
}

function parseJson(text: string): JsonBody | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as JsonBody) : undefined
  } catch {
    return undefined
  }
}
