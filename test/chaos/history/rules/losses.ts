import type { History, ReaderHistory, Span } from '../history.ts'

/**
 * What a loss of Redis may cost although every promise is kept (docs/guarantees.md):
 * - the log of a job that had not ended: it begins anew, above all ids it had, and what was shown is void,
 * - the log of a job that had ended: its readers get the end, with the result, from Postgres,
 * - the end of a job that Postgres had not recorded yet: the job runs again, and may end otherwise,
 * - what was interactive: its answer, and the bill of an answer that was given but not recorded yet.
 */

/** From the end of a job to its record: outcomes wait in Redis while Postgres is away. */
const recordedWithinMs = 120_000

/** Whether the log of a job that was accepted then may have been lost. */
export function mayHaveLostLog({ redisLosses }: Pick<History, 'redisLosses'>, acceptedAt: number): boolean {
  return redisLosses.some(({ to }) => acceptedAt <= to)
}

/** Whether an end of that time may have been lost before it was recorded. */
export function mayHaveLostEnd({ redisLosses }: Pick<History, 'redisLosses'>, endedAt: number): boolean {
  return redisLosses.some(({ from, to }) => endedAt <= to && from <= endedAt + recordedWithinMs)
}

/** Whether something interactive of that time may have been lost, or its outcome before it was recorded. */
export function mayHaveLostInteractive(history: Pick<History, 'redisLosses'>, { from, to }: Span): boolean {
  return history.redisLosses.some((loss) => from <= loss.to && loss.from <= to + recordedWithinMs)
}

/** Whether the reader has got its event at this place after a loss had begun. */
export function cameAfterLoss(
  { redisLosses }: Pick<History, 'redisLosses'>,
  { times }: ReaderHistory,
  place: number,
): boolean {
  const at = times?.[place] ?? Number.POSITIVE_INFINITY
  return redisLosses.some(({ from }) => at >= from)
}
