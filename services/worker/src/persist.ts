import { InferqError } from '@inferq/contracts'
import { LostLockError } from '@inferq/queue'
import { backoffMs, type Clock } from '@inferq/runtime'

const backoff = { firstMs: 50, maxMs: 1_000 }
const patienceMs = 60_000
/** Of an attempt that was told to stop: nobody waits for it for long. */
const stoppedPatienceMs = 5_000

/**
 * Does a step of a job that must not be lost because Redis takes no writes for a while (out of memory, a failover): tries it
 * again, for a minute at most, as long as the job is ours. `step` may be done twice. Rejects with its last failure.
 * @param signal of the queue: aborted with LostLockError when the job is another's
 */
export async function persist<T>(
  step: () => Promise<T>,
  { clock, random, signal }: { readonly clock: Clock; readonly random: () => number; readonly signal: AbortSignal },
): Promise<T> {
  const until = clock.monotonic() + (signal.aborted ? stoppedPatienceMs : patienceMs)
  for (let tries = 1; ; tries++) {
    try {
      return await step()
    } catch (thrown) {
      const isAway = thrown instanceof InferqError && thrown.code === 'service_unavailable'
      if (!isAway || isLost(signal) || clock.monotonic() >= until) throw thrown
      await clock.sleep(backoffMs(backoff, tries, random))
      if (isLost(signal)) throw thrown
    }
  }
}

function isLost(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof LostLockError
}
