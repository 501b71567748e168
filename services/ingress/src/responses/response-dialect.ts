import { type EndPayload, type ResponseEcho, responseObject } from '@inferq/contracts'
import type { AnswerDialect } from '../dialects/answer-dialect.ts'
import { EventSequence } from './event-sequence.ts'
import { encodeErrorEvent, encodeEvents } from './sse-events.ts'

/** How a chat job is answered to who asked for a response, on the connection that waits for it. One per answer. */
export function createResponseDialect(echo: ResponseEcho, now: () => number): AnswerDialect {
  let sequence: EventSequence | undefined
  return {
    body: ({ id, model, createdAt }, result, end) =>
      responseObject({ jobId: id, model, createdAt, status: 'completed', result, ...factsOfEnd(end) }, echo),
    encoder({ id, model, createdAt }) {
      const own = new EventSequence({ jobId: id, model, createdAt, echo })
      sequence = own
      return {
        text: (text) => encodeEvents(own.text(text)),
        deltas: (deltas) => encodeEvents(own.deltas(deltas)),
        end: (end) => encodeEvents(own.end('completed', end)),
      }
    },
    error: (error) =>
      sequence === undefined
        ? encodeErrorEvent(error, 0)
        : encodeEvents(sequence.end(error.code === 'job_cancelled' ? 'cancelled' : 'failed', { at: now(), error })),
  }
}

/** What a response says of its job's end. */
export function factsOfEnd(end: EndPayload) {
  return {
    endedAt: end.at,
    ...(end.finishReason === undefined ? {} : { finishReason: end.finishReason }),
    ...(end.usage === undefined ? {} : { usage: end.usage }),
    ...(end.error === undefined ? {} : { error: end.error }),
  }
}
