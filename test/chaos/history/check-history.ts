import type { AcceptedJob, ClientRequest, History, ReaderHistory, Violation } from './history.ts'
import { checkAnswerBill, checkAttemptCosts, checkJobBill } from './rules/bill.ts'
import { checkCancel, checkEnds, checkKept, checkKeys, checkRecordedEnd } from './rules/ends.ts'
import { checkLeft } from './rules/leaving.ts'
import { checkReaders } from './rules/readers.ts'
import { checkRequest } from './rules/requests.ts'
import { checkAnswerText, checkKeptText, checkRecordedText, checkShownText } from './rules/texts.ts'

/** Every promise that this history breaks. Pure; an empty list is what a run has to end with. */
export function checkHistory(history: History): readonly Violation[] {
  const readersOf = Map.groupBy(history.readers, ({ jobId }) => jobId)
  const requestsOf = Map.groupBy(history.requests, ({ jobId }) => jobId)
  return [
    ...history.accepted.flatMap((accepted) =>
      checkJob(history, accepted, readersOf.get(accepted.jobId) ?? [], requestsOf.get(accepted.jobId) ?? []),
    ),
    ...history.requests.flatMap((request) => [
      ...checkRequest(request),
      ...checkAnswerText(request),
      ...checkAnswerBill(history, request),
      ...checkLeft(history, request),
    ]),
    ...checkAttemptCosts(history),
    ...checkKeys(history),
  ]
}

function checkJob(
  history: History,
  accepted: AcceptedJob,
  readers: readonly ReaderHistory[],
  requests: readonly ClientRequest[],
): Violation[] {
  const job = history.jobs.get(accepted.jobId)
  const record = history.records.get(accepted.jobId)
  const lost = checkKept(job, record, accepted)
  if (job === undefined) return lost
  const hasInternalError = job.error?.code === 'internal_error'
  return [
    ...lost,
    ...checkEnds(history, job, readers),
    ...checkRecordedEnd(job, record),
    ...checkCancel(history, job, requests),
    ...checkReaders(history, job.id, readers),
    ...checkShownText(history, accepted, job, readers),
    ...checkKeptText(accepted, job),
    ...checkRecordedText(accepted, job, record),
    ...checkJobBill(history, job),
    ...(hasInternalError
      ? [{ rule: 'no-internal-error', jobId: job.id, detail: job.error?.message ?? '' } as const]
      : []),
  ]
}
