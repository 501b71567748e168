import type { ReadEvent } from '../history.ts'

export const terminalEvents: ReadonlySet<string> = new Set([
  'job.completed',
  'job.failed',
  'job.cancelled',
  'job.expired',
])
export const terminalStatuses: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'expired'])

/** Negative when `a` comes before `b`. */
export function compareIds(a: string, b: string): number {
  const [attemptA, seqA] = partsOf(a)
  const [attemptB, seqB] = partsOf(b)
  return attemptA - attemptB || seqA - seqB
}

export function attemptOf(id: string): number {
  return partsOf(id)[0]
}

/** The end as Postgres tells it to readers whose log is gone: after everything that the log can have held. */
export function isStoredEnd({ id, event }: ReadEvent): boolean {
  return terminalEvents.has(event) && partsOf(id)[1] === lastSeq
}

const lastSeq = 999_999_999

function partsOf(id: string): readonly [attempt: number, seq: number] {
  const [attempt = 0, seq = 0] = id.split('-').map(Number)
  return [attempt, seq]
}
