import { timeoutError, tookTooLong } from '../exchange.ts'

/**
 * One call's way to end, whatever the SDK between us and the wire does: the first failure wins, reaches the caller at once
 * and, through `signal`, the connection. An SDK may wrap, delay or swallow what it was told; nobody asks it.
 *
 *   open → (progress)* → ended
 *     └── signal aborted, time over, failed: `failure` is set, `signal` aborts, what is awaited rejects
 */
export interface CallGuard {
  /** Aborted with the failure; for the SDK and the connections below it. */
  readonly signal: AbortSignal
  readonly failure: { readonly reason: unknown } | undefined
  fail(reason: unknown): void
  /** Something came: from now on only the time between two pieces is limited. */
  progress(): void
  /** Another limit from now on, and what it means when it is over. */
  expectWithin(ms: number, reason: () => unknown): void
  /** The promise's outcome or the failure, whichever is first; one at a time. A failure stands for any later rejection. */
  settle<Value>(promise: PromiseLike<Value>): Promise<Value>
  end(): void
}

export interface GuardLimits {
  readonly firstMs: number
  readonly idleMs: number
  /** From the start to the last piece. Absent: as long as something comes. */
  readonly totalMs?: number
}

export function createCallGuard(callerSignal: AbortSignal, limits: GuardLimits): CallGuard {
  const controller = new AbortController()
  let failure: { readonly reason: unknown } | undefined
  let rejectAwaited: ((reason: unknown) => void) | undefined
  let isIdleTimer = false
  let ended = false
  const startedAt = performance.now()

  const fail = (reason: unknown): void => {
    if (ended || failure !== undefined) return
    failure = { reason }
    stopWatching()
    rejectAwaited?.(reason)
    controller.abort(reason)
  }
  const onAbort = (): void => fail(callerSignal.reason)
  let timer = setTimeout(() => fail(timeoutError(false, limits.firstMs)), limits.firstMs)
  const stopWatching = (): void => {
    clearTimeout(timer)
    callerSignal.removeEventListener('abort', onAbort)
  }
  callerSignal.addEventListener('abort', onAbort, { once: true })
  if (callerSignal.aborted) onAbort()

  return {
    signal: controller.signal,
    get failure() {
      return failure
    },
    fail,
    progress() {
      if (ended || failure !== undefined) return
      const { totalMs } = limits
      if (totalMs !== undefined && performance.now() - startedAt > totalMs) {
        fail(tookTooLong(totalMs))
        return
      }
      if (isIdleTimer) {
        timer.refresh()
        return
      }
      isIdleTimer = true
      clearTimeout(timer)
      timer = setTimeout(() => fail(timeoutError(true, limits.idleMs)), limits.idleMs)
    },
    expectWithin(ms, reason) {
      if (ended || failure !== undefined) return
      isIdleTimer = false
      clearTimeout(timer)
      timer = setTimeout(() => fail(reason()), ms)
    },
    settle(promise) {
      return new Promise((resolve, reject) => {
        if (failure !== undefined) reject(failure.reason)
        rejectAwaited = reject
        promise.then(resolve, (reason: unknown) => reject(failure === undefined ? reason : failure.reason))
      })
    },
    end() {
      if (ended) return
      ended = true
      stopWatching()
      // What is still open, such as a stream nobody reads to its end, is closed.
      if (failure === undefined) controller.abort(new Error('The call has ended.'))
    },
  }
}
