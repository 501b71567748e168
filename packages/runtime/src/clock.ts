import { setTimeout as sleepFor } from 'node:timers/promises'

/** Time as a parameter: whoever decides by time takes a Clock, so that a test can move it. */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch; may jump. For timestamps. */
  now(): number
  /** Milliseconds from an arbitrary start, with fractions, never going back. For durations. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `run` once after `ms`, unless the returned function was called before. Keeps the process alive. */
  after(ms: number, run: () => void): () => void
}

/** The machine's clock. */
export function createSystemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    async sleep(ms, signal) {
      signal?.throwIfAborted()
      try {
        await sleepFor(ms, undefined, signal ? { signal } : undefined)
      } catch (thrown) {
        signal?.throwIfAborted()
        throw thrown
      }
    },
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
  }
}
