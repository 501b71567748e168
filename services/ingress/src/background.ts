import { InferqError } from '@inferq/contracts'
import { backoffMs, type Clock } from '@inferq/runtime'

/** Work that no request waits for, but that a stop does. Failures are logged, never thrown. */
export interface Background {
  run(what: string, work: Promise<unknown>): void
  /**
   * Does it, and as long as `service_unavailable` is what comes of it does it again, with backoff, until `giveUpAt` (ms since
   * the epoch) or until this process stops. It may take effect twice.
   */
  insist(what: string, work: () => Promise<unknown>, giveUpAt: number): void
  /** Resolves when nothing is under way. From now on nothing is done again. */
  idle(): Promise<void>
}

export interface BackgroundOptions {
  readonly log: { warn(fields: object, event: string): void }
  readonly clock: Clock
}

const again = { firstMs: 200, maxMs: 5_000 }
/** Beyond so many that wait for their next try, one try has to do. */
const mostInsisting = 10_000

export function createBackground({ log, clock }: BackgroundOptions): Background {
  const running = new Set<Promise<void>>()
  const stopping = new AbortController()
  let insisting = 0

  const run = (what: string, work: Promise<unknown>): void => {
    const watched = work
      .then(
        () => {},
        (thrown: unknown) => {
          log.warn({ what, code: thrown instanceof InferqError ? thrown.code : 'internal_error' }, 'background-failed')
        },
      )
      .finally(() => running.delete(watched))
    running.add(watched)
  }

  const untilAvailable = async (work: () => Promise<unknown>, giveUpAt: number): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        await work()
        return
      } catch (thrown) {
        const waitMs = backoffMs(again, tries, Math.random)
        const isForLater = thrown instanceof InferqError && thrown.code === 'service_unavailable'
        if (!isForLater || stopping.signal.aborted || clock.now() + waitMs > giveUpAt) throw thrown
        if (insisting >= mostInsisting) throw thrown
        insisting++
        await clock.sleep(waitMs, stopping.signal).catch((): void => {})
        insisting--
      }
    }
  }

  return {
    run,
    insist: (what, work, giveUpAt) => run(what, untilAvailable(work, giveUpAt)),
    async idle() {
      stopping.abort()
      while (running.size > 0) await Promise.all(running)
    },
  }
}
