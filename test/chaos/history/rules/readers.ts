import type { History, ReadEvent, ReaderHistory, Violation } from '../history.ts'
import { attemptOf, compareIds, isStoredEnd, terminalEvents } from './ids.ts'
import { cameAfterLoss } from './losses.ts'

/** Readers of one job, each by itself and against the others. */
export function checkReaders(
  history: Pick<History, 'redisLosses'>,
  jobId: string,
  readers: readonly ReaderHistory[],
): Violation[] {
  return [
    ...readers.flatMap(checkEnd),
    ...readers.flatMap(checkOrder),
    ...checkGaps(history, jobId, readers),
    ...checkAgreement(jobId, readers),
  ]
}

function checkEnd({ reader, jobId, events, isComplete }: ReaderHistory): Violation[] {
  const violations: Violation[] = []
  const ends = events.filter(({ event }) => terminalEvents.has(event))
  const isRight = isComplete ? ends.length === 1 : ends.length === 0
  if (!isRight) {
    const detail = `${reader} saw ${ends.length} terminal events in a stream that ${isComplete ? 'was' : 'was not'} complete`
    violations.push({ rule: 'terminal-event-once', jobId, detail })
  }
  const last = events.at(-1)
  if (ends.length > 0 && last !== undefined && !terminalEvents.has(last.event)) {
    violations.push({ rule: 'nothing-after-the-end', jobId, detail: `${reader} saw ${last.event} ${last.id} after it` })
  }
  return violations
}

/** Events without an id are no place in the log: they stand between two of it. */
function checkOrder({ reader, jobId, events }: ReaderHistory): Violation[] {
  const placed = events.filter(({ id }) => id !== '')
  return placed.flatMap(({ id }, place) => {
    const before = placed[place - 1]
    if (before === undefined || compareIds(before.id, id) < 0) return []
    return [{ rule: 'ids-ascend', jobId, detail: `${reader} saw ${id} after ${before.id}` } as const]
  })
}

/**
 * What one reader has seen, every other has between its own first and last event. Allowed: what is missing before an event
 * of a later attempt, or before the end as Postgres tells it, that came after Redis had lost the log.
 */
function checkGaps(
  history: Pick<History, 'redisLosses'>,
  jobId: string,
  readers: readonly ReaderHistory[],
): Violation[] {
  const ids = new Set(readers.flatMap(({ events }) => events.map(({ id }) => id)))
  ids.delete('')
  const all = [...ids].toSorted(compareIds)
  const placeOf = new Map(all.map((id, place) => [id, place]))
  return readers.flatMap((reader) => {
    const missing = missingOf(history, reader, all, placeOf)
    if (missing.length === 0) return []
    return [{ rule: 'no-gap', jobId, detail: `${reader.reader} missed ${missing.slice(0, 5).join(', ')}` } as const]
  })
}

/** @param all ids of the job's events, ascending; `placeOf` each is */
function missingOf(
  history: Pick<History, 'redisLosses'>,
  reader: ReaderHistory,
  all: readonly string[],
  placeOf: ReadonlyMap<string, number>,
): readonly string[] {
  const seen = new Set(reader.events.map(({ id }) => id))
  let from: string | undefined
  return reader.events.flatMap(({ id }, place) => {
    if (id === '') return []
    const before = from
    from = id
    if (before === undefined) return []
    const missing = all.slice((placeOf.get(before) ?? 0) + 1, placeOf.get(id)).filter((one) => !seen.has(one))
    return missing.length > 0 && isExcused(history, reader, before, place) ? [] : missing
  })
}

function isExcused(history: Pick<History, 'redisLosses'>, reader: ReaderHistory, from: string, place: number): boolean {
  const next = reader.events[place]
  if (next === undefined || !cameAfterLoss(history, reader, place)) return false
  return isStoredEnd(next) || attemptOf(next.id) > attemptOf(from)
}

/** The same id is the same event to everyone. */
function checkAgreement(jobId: string, readers: readonly ReaderHistory[]): Violation[] {
  const byId = new Map<string, ReadEvent>()
  for (const { reader, events } of readers) {
    for (const event of events) {
      if (event.id === '') continue
      const known = byId.get(event.id)
      if (known === undefined) byId.set(event.id, event)
      else if (known.event !== event.event || known.text !== event.text || known.digest !== event.digest) {
        return [{ rule: 'readers-agree', jobId, detail: `${event.id} is something else to ${reader}` }]
      }
    }
  }
  return []
}
