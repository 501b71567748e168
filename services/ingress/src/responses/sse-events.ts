import { type ErrorDetail, errorTable } from '@inferq/contracts'
import type { ResponseEvent } from './event-sequence.ts'

/** As server-sent events; the number is the id too, so that a browser says where it stands. */
export function encodeEvents(events: readonly ResponseEvent[]): string {
  let text = ''
  for (const event of events) {
    text += `id: ${event.sequence_number}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
  }
  return text
}

/**
 * An error inside a stream, both flat (as it is documented) and as an object (as SDKs raise it). It is no event of the
 * response: it repeats the number of the last one, after which a stream can be read on.
 */
export function encodeErrorEvent(detail: ErrorDetail, lastNumber: number): string {
  const { code, message, param = null } = detail
  const error = { type: errorTable[code].type, code, message, param }
  const event = { type: 'error', sequence_number: Math.max(0, lastNumber), code, message, param, error }
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`
}
