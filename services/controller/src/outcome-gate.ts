import type { RedisKeys } from '@inferq/contracts'
import { areOutcomesRecorded, lastOutcome } from '@inferq/queue'
import type { Clock, Redis } from '@inferq/runtime'

/**
 * Orders a look at Redis and a look at Postgres. A job that Redis does not hold (any more) has either ended, then its
 * outcome was written to the stream before its record expired, or it was lost. Once everything written to the stream up to
 * now is recorded, Postgres tells the two apart. (If the stream was lost too, so was the end: the job runs again.)
 */
export interface OutcomeGate {
  /** Call after the look at Redis. Whether everything reported until now is recorded; false after `timeoutMs`. */
  passed(timeoutMs: number, signal: AbortSignal): Promise<boolean>
}

const lookEveryMs = 50

export function createOutcomeGate(options: {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
}): OutcomeGate {
  const { redis, keys, clock } = options
  return {
    async passed(timeoutMs, signal) {
      const until = clock.monotonic() + timeoutMs
      const mark = await lastOutcome(redis, keys)
      while (!(await areOutcomesRecorded(redis, keys, mark))) {
        if (clock.monotonic() >= until) return false
        await clock.sleep(lookEveryMs, signal)
      }
      return true
    },
  }
}
