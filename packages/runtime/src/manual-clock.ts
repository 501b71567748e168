import type { Clock } from './clock.ts'

/** A clock that stands still until told otherwise. For tests of decisions by time. */
export interface ManualClock extends Clock {
  /** Moves time on by `ms`, ending every sleep that falls due on the way, in order. */
  advance(ms: number): Promise<void>
  /** How many sleeps and timers are waiting. */
  readonly waiting: number
}

interface Alarm {
  readonly at: number
  readonly ring: () => void
}

export function createManualClock(startMs = Date.UTC(2030, 0, 1)): ManualClock {
  let elapsedMs = 0
  const alarms = new Set<Alarm>()

  const after = (ms: number, run: () => void): (() => void) => {
    const alarm = { at: elapsedMs + Math.max(0, ms), ring: run }
    alarms.add(alarm)
    return () => {
      alarms.delete(alarm)
    }
  }

  return {
    now: () => startMs + elapsedMs,
    monotonic: () => elapsedMs,
    after,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason)
          return
        }
        const onAbort = (): void => {
          cancel()
          reject(signal?.reason)
        }
        const cancel = after(ms, () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        })
        signal?.addEventListener('abort', onAbort, { once: true })
      })
    },
    async advance(ms) {
      await othersRun()
      const untilMs = elapsedMs + ms
      for (let next = earliest(alarms, untilMs); next; next = earliest(alarms, untilMs)) {
        elapsedMs = next.at
        alarms.delete(next)
        next.ring()
        await othersRun()
      }
      elapsedMs = untilMs
    },
    get waiting() {
      return alarms.size
    },
  }
}

function earliest(alarms: ReadonlySet<Alarm>, untilMs: number): Alarm | undefined {
  let found: Alarm | undefined
  for (const alarm of alarms) {
    if (alarm.at <= untilMs && (found === undefined || alarm.at < found.at)) found = alarm
  }
  return found
}

/** Lets everything that can go on without time go on. */
function othersRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
