import { type Clock, createPeriodicService, type Service } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import type { TokenLog } from '@inferq/tokenlog'
import type { AttemptRunner } from './run-attempt.ts'

export interface DesertedJobsOptions {
  readonly tokenLog: Pick<TokenLog, 'deserted'>
  /** Stops the running attempt of a job that nobody waits for any more. */
  onDeserted(jobId: string): void
  readonly clock: Clock
  readonly log: Logger
  /** Between two looks. Default 2 s. */
  readonly lookEveryMs?: number
}

export interface DesertedJobs {
  readonly service: Service
  /** The same runner; the jobs it runs are looked after. */
  guard(run: AttemptRunner): AttemptRunner
}

/** An ingress that was away in this many looks in a row does not come back: a new process has a new id. */
const looksUntilGone = 5

/**
 * A client that leaves has its job cancelled by its ingress. An ingress that was killed cannot: its workers find out
 * themselves. An ingress is away when it is not subscribed to its channel; looks are counted, not time, so that neither a
 * Redis that was away nor a worker that was frozen takes anybody for gone.
 */
export function createDesertedJobs(options: DesertedJobsOptions): DesertedJobs {
  const { tokenLog, onDeserted, clock, log, lookEveryMs = 2_000 } = options
  const running = new Set<string>()
  let looks = new Map<string, number>()

  const look = async (): Promise<void> => {
    const jobs = [...running]
    const deserted = jobs.length === 0 ? [] : await tokenLog.deserted(jobs)
    const away = new Set(deserted.flat())
    looks = new Map([...away].map((ingress) => [ingress, (looks.get(ingress) ?? 0) + 1]))
    const stopped = jobs.filter((_, index) => {
      const watchers = deserted[index] ?? []
      return watchers.length > 0 && watchers.every((ingress) => (looks.get(ingress) ?? 0) >= looksUntilGone)
    })
    if (stopped.length === 0) return
    log.warn({ jobIds: stopped }, 'jobs-deserted')
    for (const jobId of stopped) onDeserted(jobId)
  }

  return {
    service: createPeriodicService({
      ...{ name: 'deserted-jobs', intervalMs: lookEveryMs, clock, log },
      async run() {
        try {
          await look()
        } catch (thrown) {
          looks.clear()
          throw thrown
        }
      },
    }),
    guard: (run) => async (begun, reference, signal) => {
      const { spec } = begun.record
      // What is kept is finished for whoever asks for it later.
      if (spec.mode !== 'interactive' || spec.keepResult) return run(begun, reference, signal)
      running.add(spec.id)
      try {
        return await run(begun, reference, signal)
      } finally {
        running.delete(spec.id)
      }
    },
  }
}
