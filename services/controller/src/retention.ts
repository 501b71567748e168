import type { ControllerParts } from './controller.ts'

const pageSize = 1_000
/** A response's row is written before its job. */
const orphanAgeMs = 60_000

/**
 * Deletes jobs, with their results, that ended longer than `keepMs()` ago, the requests of those that may still be run again
 * after `promptKeepMs()`, bills after `spendKeepMs()`, and idempotency keys past their time.
 */
export function createRetention({
  store,
  clock,
  log,
  keepMs,
  promptKeepMs,
  spendKeepMs,
  idempotencyKeepMs,
  batchKeepMs,
}: Pick<ControllerParts, 'store' | 'clock' | 'log'> & {
  keepMs(): number
  promptKeepMs(): number
  spendKeepMs(): number
  readonly idempotencyKeepMs: number
  readonly batchKeepMs: number
}) {
  /** Page after page, until one is not full. */
  const deleteAll = async (signal: AbortSignal, deletePage: () => Promise<number>): Promise<number> => {
    let deleted = 0
    for (;;) {
      const count = await deletePage()
      deleted += count
      if (count < pageSize || signal.aborted) return deleted
    }
  }

  return async (signal: AbortSignal): Promise<void> => {
    const jobs = await deleteAll(signal, () =>
      store.deleteEnded({ endedBefore: clock.now() - keepMs(), limit: pageSize }),
    )
    if (jobs > 0) log.info({ count: jobs }, 'jobs-deleted')
    const madeBefore = clock.now() - Math.max(keepMs(), orphanAgeMs)
    await deleteAll(signal, () => store.deleteOrphanResponses({ createdBefore: madeBefore, limit: pageSize }))
    const requests = await deleteAll(signal, () =>
      store.dropRequests({ endedBefore: clock.now() - promptKeepMs(), limit: pageSize }),
    )
    if (requests > 0) log.info({ count: requests }, 'requests-dropped')
    // The bill of a job that is still there is part of it.
    const before = clock.now() - Math.max(keepMs(), spendKeepMs())
    const bills = await deleteAll(signal, () => store.deleteUsage({ before, limit: pageSize }))
    if (bills > 0) log.info({ count: bills }, 'bills-deleted')
    const createdBefore = clock.now() - idempotencyKeepMs
    await deleteAll(signal, () => store.deleteIdempotencyKeys({ createdBefore, limit: pageSize }))
    await store.deleteExpiredWebhookSecrets()
    const endedBefore = clock.now() - batchKeepMs
    await deleteAll(signal, () => store.deleteEndedBatches({ endedBefore, limit: pageSize }))
  }
}
