import type { JobView } from '@inferq/contracts'
import type { History, ReadEvent, ReaderHistory, Violation } from './history.ts'

const terminalEvents = new Set(['job.completed', 'job.failed', 'job.cancelled', 'job.expired'])
const terminalStatuses = new Set(['completed', 'failed', 'cancelled', 'expired'])

/** Every promise that this history breaks. Pure; an empty list is what a run has to end with. */
export function checkHistory(history: History): readonly Violation[] {
  const readersOf = Map.groupBy(history.readers, ({ jobId }) => jobId)
  return history.accepted.flatMap(({ jobId }) => {
    const job = history.jobs.get(jobId)
    const readers = readersOf.get(jobId) ?? []
    if (job === undefined) {
      return [{ rule: 'accepted-is-kept', jobId, detail: 'it was accepted, and nobody knows of it' } as const]
    }
    return [
      ...checkEnd(job),
      ...readers.flatMap(checkReader),
      ...checkGaps(jobId, readers),
      ...checkAgreement(jobId, readers, job),
      ...checkText(jobId, readers, job),
      ...checkBill(history, job),
    ]
  })
}

function checkEnd({ id: jobId, status }: JobView): Violation[] {
  return terminalStatuses.has(status) ? [] : [{ rule: 'ends-once', jobId, detail: `it is still ${status}` }]
}

/** One reader's stream by itself. */
function checkReader({ reader, jobId, events, isComplete }: ReaderHistory): Violation[] {
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
  for (const [place, { id }] of events.entries()) {
    const before = events[place - 1]
    if (before === undefined || compareIds(before.id, id) < 0) continue
    violations.push({ rule: 'ids-ascend', jobId, detail: `${reader} saw ${id} after ${before.id}` })
  }
  return violations
}

/** What one reader has seen, every other has between its own first and last event. */
function checkGaps(jobId: string, readers: readonly ReaderHistory[]): Violation[] {
  const all = [...new Set(readers.flatMap(({ events }) => events.map(({ id }) => id)))]
  return readers.flatMap(({ reader, events }) => {
    const first = events[0]?.id
    const last = events.at(-1)?.id
    if (first === undefined || last === undefined) return []
    const seen = new Set(events.map(({ id }) => id))
    const missing = all.filter((id) => !seen.has(id) && compareIds(first, id) < 0 && compareIds(id, last) < 0)
    if (missing.length === 0) return []
    return [{ rule: 'no-gap', jobId, detail: `${reader} missed ${missing.slice(0, 5).join(', ')}` } as const]
  })
}

/** The same id is the same event to everyone, and the end they saw is the end the job has. */
function checkAgreement(jobId: string, readers: readonly ReaderHistory[], job: JobView): Violation[] {
  const byId = new Map<string, ReadEvent>()
  for (const { reader, events } of readers) {
    for (const event of events) {
      const known = byId.get(event.id)
      if (known === undefined) byId.set(event.id, event)
      else if (known.event !== event.event || known.text !== event.text) {
        return [{ rule: 'readers-agree', jobId, detail: `${event.id} is something else to ${reader}` }]
      }
    }
  }
  const ends = new Set(
    readers.flatMap(({ events }) => events.map(({ event }) => event).filter((e) => terminalEvents.has(e))),
  )
  if (ends.size > 1) return [{ rule: 'ends-once', jobId, detail: `readers saw ${[...ends].join(' and ')}` }]
  const [end] = ends
  if (end === undefined || end === `job.${job.status}`) return []
  return [{ rule: 'ends-once', jobId, detail: `readers saw ${end}, and it is ${job.status}` }]
}

/** What a reader from the beginning has, without what was declared void, is the answer that was kept. */
function checkText(jobId: string, readers: readonly ReaderHistory[], job: JobView): Violation[] {
  const answer = answerOf(job)
  if (answer === undefined) return []
  return readers
    .filter(({ events, isComplete }) => isComplete && events[0]?.id === '0-1')
    .filter(({ events }) => shownText(events) !== answer)
    .map(({ reader }) => ({ rule: 'text-is-the-answer', jobId, detail: `${reader} has another text` }) as const)
}

function shownText(events: readonly ReadEvent[]): string {
  const reset = events.findLastIndex(({ event }) => event === 'output.reset')
  return events
    .slice(reset + 1)
    .map(({ text }) => text ?? '')
    .join('')
}

function answerOf(job: JobView): string | undefined {
  if (job.status !== 'completed') return undefined
  const result = job.result as { choices?: { message?: { content?: unknown } }[] } | null
  const content = result?.choices?.[0]?.message?.content
  return typeof content === 'string' ? content : undefined
}

function checkBill({ usage, upstream }: History, job: JobView): Violation[] {
  const jobId = job.id
  const rows = usage.get(jobId) ?? []
  if (rows.length !== 1) return [{ rule: 'billed-once', jobId, detail: `${rows.length} rows on the bill` }]
  const [row] = rows
  const calls = upstream.get(jobId) ?? []
  // An answer that was put together from several is an estimate, and says so.
  if (job.status !== 'completed' || row === undefined || job.usage?.estimated === true) return []
  const isOfACall = calls.some(
    ({ promptTokens, completionTokens }) =>
      promptTokens === row.promptTokens && completionTokens === row.completionTokens,
  )
  if (isOfACall) return []
  const counted = `${row.promptTokens} + ${row.completionTokens}`
  return [{ rule: 'bill-is-the-upstreams', jobId, detail: `billed ${counted} tokens, which no call has used` }]
}

/** Negative when `a` comes before `b`. */
function compareIds(a: string, b: string): number {
  const [attemptA = 0, seqA = 0] = a.split('-').map(Number)
  const [attemptB = 0, seqB = 0] = b.split('-').map(Number)
  return attemptA - attemptB || seqA - seqB
}
