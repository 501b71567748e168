import { InferqError } from '@inferq/contracts'
import { DeadlineReachedError, FencedError } from './stop-reasons.ts'

export interface StopSignal {
  /** Aborted with the first reason to stop. */
  readonly signal: AbortSignal
  release(): void
}

/** setTimeout's bound; a job with a later deadline never gets there in one attempt. */
const maxTimerMs = 2_147_483_647

/** Everything that can stop an attempt, as one signal: the queue's (cancelled, drained, lock lost), the log's (fenced, or it
 * takes nothing), the deadline. */
export function createStopSignal(queue: AbortSignal, fence: AbortSignal, timeoutMs: number): StopSignal {
  const stop = new AbortController()
  const onQueue = (): void => stop.abort(queue.reason)
  const onFence = (): void => {
    const isFailure = fence.reason instanceof InferqError
    stop.abort(isFailure ? fence.reason : new FencedError('a newer attempt or an end has fenced this one'))
  }
  queue.addEventListener('abort', onQueue, { once: true })
  fence.addEventListener('abort', onFence, { once: true })
  if (queue.aborted) onQueue()
  const timer = setTimeout(
    () => stop.abort(new DeadlineReachedError('the job did not end in time')),
    Math.min(Math.max(0, timeoutMs), maxTimerMs),
  )
  return {
    signal: stop.signal,
    release() {
      clearTimeout(timer)
      queue.removeEventListener('abort', onQueue)
      fence.removeEventListener('abort', onFence)
    },
  }
}
