import type { Clock } from '@inferq/runtime'

/** What runs on a worker at this moment: its jobs, from when they are begun until they are done with. */
export interface RunningWork {
  readonly count: number
  /** When the oldest of them was begun here, ms epoch; null when nothing runs. */
  readonly oldestAt: number | null
  /** Counts it until it has settled; gives the same promise. */
  track<T>(work: Promise<T>): Promise<T>
  /** Resolves when what runs now has ended, or after `timeoutMs`. Never rejects. */
  idle(timeoutMs: number): Promise<void>
}

export function createRunningWork(clock: Clock): RunningWork {
  /** With the time at which each was begun. */
  const running = new Map<Promise<unknown>, number>()

  return {
    get count() {
      return running.size
    },
    get oldestAt() {
      return running.size === 0 ? null : Math.min(...running.values())
    },
    track(work) {
      running.set(work, clock.now())
      const forget = (): void => void running.delete(work)
      work.then(forget, forget)
      return work
    },
    async idle(timeoutMs) {
      const cut = new AbortController()
      const late = clock.sleep(timeoutMs, cut.signal).catch((): void => {})
      await Promise.race([Promise.allSettled([...running.keys()]), late])
      cut.abort()
    },
  }
}
