import type { JobView } from '@inferq/contracts'
import type { AcceptedJob, ClientRequest, History, JobRow, ReadEvent, ReaderHistory, Violation } from '../history.ts'
import { isStoredEnd } from './ids.ts'
import { mayHaveLostEnd, mayHaveLostLog } from './losses.ts'

/**
 * What a reader from the beginning has, without what was declared void, is the answer that was kept.
 * Allowed after a loss of Redis: an end from Postgres (it brings the whole answer), and the answer of a run whose end was lost.
 */
export function checkShownText(
  history: Pick<History, 'redisLosses'>,
  { jobId, acceptedAt }: AcceptedJob,
  job: JobView,
  readers: readonly ReaderHistory[],
): Violation[] {
  const answer = answerOf(job)
  if (answer === undefined) return []
  return readers
    .filter(({ events, isComplete }) => isComplete && isFromTheBeginning(events))
    .filter(({ events }) => shownText(events) !== answer)
    .filter((reader) => !isExcused(history, acceptedAt, reader))
    .map(({ reader }) => ({ rule: 'text-is-the-answer', jobId, detail: `${reader} has another text` }) as const)
}

/** A kept answer is the text that the upstream was told to answer. */
export function checkKeptText({ jobId, expected }: AcceptedJob, job: JobView): Violation[] {
  const answer = answerOf(job)
  if (expected === undefined || answer === undefined || answer === expected) return []
  return [{ rule: 'text-is-the-upstreams', jobId, detail: difference(answer, expected) }]
}

/** The answer that is told for some minutes is the one that is kept. */
export function checkRecordedText({ jobId }: AcceptedJob, job: JobView, record: JobRow | undefined): Violation[] {
  const answer = answerOf(job)
  if (record === undefined || answer === undefined || record.text === answer) return []
  return [{ rule: 'text-is-the-answer', jobId, detail: `Postgres: ${difference(record.text ?? '', answer)}` }]
}

/**
 * An interactive answer is that text, or, where it broke off or its client left, a beginning of it. OpenAI's dialect cannot
 * take anything back, so this is so after any number of attempts.
 */
export function checkAnswerText(request: ClientRequest): Violation[] {
  const { kind, status, text, expected, ended, jobId, user, client } = request
  if (status !== 200 || text === undefined || expected === undefined || kind === 'submit') return []
  const isWhole = ended === 'whole' || ended === 'terminal'
  if (isWhole ? text === expected : expected.startsWith(text)) return []
  return [{ rule: 'text-is-the-upstreams', jobId: jobId ?? user ?? client, detail: difference(text, expected) }]
}

function isFromTheBeginning(events: readonly ReadEvent[]): boolean {
  return events[0]?.event === 'job.queued'
}

function isExcused(
  history: Pick<History, 'redisLosses'>,
  acceptedAt: number,
  { events, times }: ReaderHistory,
): boolean {
  const last = events.at(-1)
  if (last === undefined || !mayHaveLostLog(history, acceptedAt)) return false
  return isStoredEnd(last) || mayHaveLostEnd(history, times?.at(-1) ?? 0)
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

function difference(text: string, expected: string): string {
  let place = 0
  while (place < text.length && text[place] === expected[place]) place += 1
  const around = (of: string): string => JSON.stringify(of.slice(Math.max(0, place - 20), place + 20))
  return `from character ${place} on it is ${around(text)} instead of ${around(expected)} (${text.length} of ${expected.length})`
}
