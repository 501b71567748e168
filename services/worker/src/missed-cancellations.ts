import { type Clock, createPeriodicService, type Log, type Service } from '@inferq/runtime'
import type { TokenLog } from '@inferq/tokenlog'

export interface MissedCancellationsOptions {
  readonly tokenLog: Pick<TokenLog, 'cancelRequests'>
  /** Jobs that run here. */
  running(): readonly string[]
  onMissed(jobId: string): void
  readonly clock: Clock
  readonly log: Log
  /** Between two looks. Default 2 s. */
  readonly lookEveryMs?: number
}

/**
 * A cancellation is told to all workers at once, and a worker whose subscription is away at that moment never hears of it. So
 * it looks at the marks of its own jobs, too.
 */
export function createMissedCancellations(options: MissedCancellationsOptions): Service {
  const { tokenLog, running, onMissed, clock, log, lookEveryMs = 2_000 } = options
  return createPeriodicService({
    ...{ name: 'missed-cancellations', intervalMs: lookEveryMs, clock, log },
    async run() {
      const jobIds = running()
      const marks = await tokenLog.cancelRequests(jobIds)
      jobIds.forEach((jobId, place) => {
        if (marks[place] === true) onMissed(jobId)
      })
    },
  })
}
