import type { JobView } from '@inferq/contracts'
import type { AcceptedJob, ClientRequest, History, JobRow, ReaderHistory, Violation } from '../history.ts'
import { terminalEvents, terminalStatuses } from './ids.ts'
import { mayHaveLostEnd } from './losses.ts'

/** The end of an accepted job: there is one, and it is the one that everybody was told of. */
export function checkEnds(
  history: Pick<History, 'redisLosses'>,
  job: JobView,
  readers: readonly ReaderHistory[],
): Violation[] {
  const { id: jobId, status } = job
  if (!terminalStatuses.has(status)) return [{ rule: 'ends-once', jobId, detail: `it is still ${status}` }]
  const seen = readers.flatMap(({ events, times }) =>
    events.flatMap(({ event }, place) => (terminalEvents.has(event) ? [{ event, at: times?.[place] ?? 0 }] : [])),
  )
  // An end that was told, and lost with Redis before it was recorded, is not the last one.
  const kept = seen.filter(({ at }) => !mayHaveLostEnd(history, at))
  const told = new Set(kept.map(({ event }) => event))
  if (told.size > 1) return [{ rule: 'ends-once', jobId, detail: `readers saw ${[...told].join(' and ')}` }]
  const [end] = told
  if (end === undefined || end === `job.${status}`) return []
  return [{ rule: 'ends-once', jobId, detail: `readers saw ${end}, and it is ${status}` }]
}

/** Who was told `cancelled` finds it so for good; `cancelling` and `already_finished` promise only that it ends. */
export function checkCancel(
  history: Pick<History, 'redisLosses'>,
  job: JobView,
  requests: readonly ClientRequest[],
): Violation[] {
  return requests
    .filter(({ kind, outcome }) => kind === 'cancel' && outcome === 'cancelled')
    .filter(({ endedAt }) => !mayHaveLostEnd(history, endedAt ?? 0))
    .filter(() => job.status !== 'cancelled')
    .slice(0, 1)
    .map(({ client }) => ({
      rule: 'cancelled-stays-cancelled',
      jobId: job.id,
      detail: `${client} was told that it is cancelled, and it is ${job.status}`,
    }))
}

/** All submits with one Idempotency-Key that were accepted have the same job. */
export function checkKeys({ requests }: Pick<History, 'requests'>): Violation[] {
  const ofKey = Map.groupBy(
    requests.filter(({ kind, key, status }) => kind === 'submit' && key !== undefined && isSuccess(status)),
    ({ key }) => key,
  )
  return [...ofKey].flatMap(([key, submits]) => {
    const jobIds = [...new Set(submits.map(({ jobId }) => jobId ?? 'none'))]
    if (jobIds.length < 2) return []
    return [{ rule: 'same-key-same-job', jobId: jobIds[0] ?? '', detail: `${key} is ${jobIds.join(' and ')}` } as const]
  })
}

/** An accepted job that nobody knows of, or that only Redis does, for as long as it keeps what has ended. */
export function checkKept(job: JobView | undefined, record: JobRow | undefined, { jobId }: AcceptedJob): Violation[] {
  if (job === undefined) return [{ rule: 'accepted-is-kept', jobId, detail: 'it was accepted, and nobody knows of it' }]
  if (record !== undefined) return []
  return [{ rule: 'accepted-is-kept', jobId, detail: `it is ${job.status}, and Postgres knows nothing of it` }]
}

/** The end that is told for some minutes is the one that is kept. */
export function checkRecordedEnd({ id: jobId, status }: JobView, record: JobRow | undefined): Violation[] {
  if (record === undefined || !terminalStatuses.has(status) || record.status === status) return []
  return [{ rule: 'ends-once', jobId, detail: `it is ${status}, and Postgres has it as ${record.status}` }]
}

function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300
}
