import type { ExpectedAnswer } from './protocol.ts'

/** The events of a job of inferq's, however many connections they come over. */
export interface EventsCheck {
  take(text: string): void
  /** The last event seen, to read on after it. */
  readonly lastId: string | undefined
  /** The event that ends them has come. */
  readonly hasEnded: boolean
  /** The connection broke: the rest of an event that came in part is forgotten. */
  restart(): void
  /** What is wrong at the end; null: nothing. */
  fault(): string | null
}

const ends = /^job\.(completed|failed|cancelled|expired)$/

/** Takes server-sent events as docs/job-lifecycle.md has them, and says whether they make the right text. */
export function createEventsCheck(expected: ExpectedAnswer, onText: () => void): EventsCheck {
  let rest = ''
  let text = ''
  let lastId: string | undefined
  let end: string | undefined

  const takeEvent = (block: string): void => {
    const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), valueIn(line)]))
    const event = fields.get('event')
    if (event === undefined) return
    lastId = fields.get('id') ?? lastId
    if (ends.test(event)) end = event
    else if (event === 'output.reset') text = ''
    else if (event === 'output.delta') {
      text += (JSON.parse(fields.get('data') ?? '{}') as { readonly text?: string }).text ?? ''
      onText()
    }
  }

  return {
    take(piece) {
      rest += piece
      for (let at = rest.indexOf('\n\n'); at >= 0; at = rest.indexOf('\n\n')) {
        takeEvent(rest.slice(0, at))
        rest = rest.slice(at + 2)
      }
    },
    get lastId() {
      return lastId
    },
    get hasEnded() {
      return end !== undefined
    },
    restart() {
      rest = ''
    },
    fault() {
      if (end !== 'job.completed') return end ?? 'no end of its events'
      return text === expected.text ? null : 'another text than the upstream sent'
    },
  }
}

function valueIn(line: string): string {
  return line.slice(line.indexOf(':') + 1).trimStart()
}
