import type { ControllerParts } from './controller.ts'

const pageSize = 1_000

/** Deletes jobs, with their results, that ended longer than `keepMs()` ago; their bills stay. */
export function createRetention({
  store,
  clock,
  log,
  keepMs,
}: Pick<ControllerParts, 'store' | 'clock' | 'log'> & { keepMs(): number }) {
  return async (signal: AbortSignal): Promise<void> => {
    let deleted = 0
    for (;;) {
      const count = await store.deleteEnded({ endedBefore: clock.now() - keepMs(), limit: pageSize })
      deleted += count
      if (count < pageSize || signal.aborted) break
    }
    if (deleted > 0) log.info({ count: deleted }, 'jobs-deleted')
  }
}
