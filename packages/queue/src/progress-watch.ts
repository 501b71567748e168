import { type Clock, createPeriodicService, type Log, orAborted, type Service } from '@inferq/runtime'
import type { Fetcher } from './fetcher.ts'

export interface ProgressWatchOptions {
  readonly name: string
  readonly clock: Clock
  readonly log: Log
  /** Between two looks. Default 5 s. */
  readonly everyMs?: number
  /** So long a fetcher may have room, and get nothing of a backlog. Default 10 s. */
  readonly stuckMs?: number
  fetchers(): readonly Fetcher[]
  /** Jobs that wait, now. */
  backlog(): Promise<number>
  onStuck(fetcher: Fetcher, facts: { readonly waiting: number; readonly idleMs: number }): void
}

/**
 * Finds fetchers that do not fetch, whatever the reason: with room, and a backlog at every look for so long. Asks for the backlog only
 * while a fetcher with room has got nothing since the last look.
 */
export function createProgressWatch(options: ProgressWatchOptions): Service {
  const { clock, everyMs = 5_000, stuckMs = 10_000 } = options
  const suspects = new Map<Fetcher, number>()

  const isIdle = (fetcher: Fetcher, now: number): boolean =>
    fetcher.running < fetcher.jobsAtOnce && now - fetcher.fetchedAt >= everyMs

  return createPeriodicService({
    name: options.name,
    intervalMs: everyMs,
    clock,
    log: options.log,
    async run(signal) {
      const idle = new Set(options.fetchers().filter((fetcher) => isIdle(fetcher, clock.monotonic())))
      for (const fetcher of suspects.keys()) if (!idle.has(fetcher)) suspects.delete(fetcher)
      if (idle.size === 0) return
      const waiting = await orAborted(options.backlog(), signal)
      const now = clock.monotonic()
      for (const fetcher of idle) {
        if (waiting === 0 || !isIdle(fetcher, now)) {
          suspects.delete(fetcher)
          continue
        }
        const since = suspects.get(fetcher) ?? now
        suspects.set(fetcher, since)
        if (now - since < stuckMs) continue
        suspects.delete(fetcher)
        options.onStuck(fetcher, { waiting, idleMs: Math.round(now - fetcher.fetchedAt) })
      }
    },
  })
}
