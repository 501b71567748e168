import type { Clock } from './clock.ts'
import { createDeadline } from './deadline.ts'
import { errorMessage } from './errors.ts'
import type { Log } from './log.ts'
import { createService, type Service } from './service.ts'

export interface PeriodicOptions {
  readonly name: string
  /** From the end of one run to the start of the next. */
  readonly intervalMs: number
  /** A run gets a signal that aborts after this long, and on stop. Default: the interval, at least 10 s. */
  readonly timeoutMs?: number
  readonly log: Log
  readonly clock: Clock
  /** Has to heed the signal: turns never overlap, and `stop` waits for the one under way. */
  run(signal: AbortSignal): Promise<void>
}

/**
 * A service that does one thing again and again: heartbeat, relay, sweep. The first run starts with the service.
 * A failed run is logged and tried again at the next turn. `stop` aborts the run under way and waits for it.
 */
export function createPeriodicService(options: PeriodicOptions): Service {
  const { name, intervalMs, log, clock, run, timeoutMs = Math.max(intervalMs, 10_000) } = options
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()

  const turn = async (): Promise<void> => {
    const deadline = createDeadline(clock, { timeoutMs, what: name, parent: stopping.signal })
    try {
      await run(deadline.signal)
    } catch (thrown) {
      if (!stopping.signal.aborted) log.warn({ service: name, error: errorMessage(thrown) }, 'periodic-run-failed')
    } finally {
      deadline.release()
    }
  }
  const repeat = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await turn()
      await clock.sleep(intervalMs, stopping.signal).catch((): void => {})
    }
  }

  return createService({
    name,
    start() {
      loop = repeat()
    },
    async stop() {
      stopping.abort(new Error(`${name} is stopping`))
      await loop
    },
  })
}
