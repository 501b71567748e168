import { InferqError } from '@inferq/contracts'
import type { LogWriter } from '@inferq/tokenlog'
import { DeadlineReachedError, FencedError } from './stop-reasons.ts'

export interface StopSignal {
  /** Aborted with the first reason to stop. */
  readonly signal: AbortSignal
  release(): void
}

/** setTimeout's bound; a job with a later deadline never gets there in one attempt. */
const maxTimerMs = 2_147_483_647
/** A deadline is kept to so much. */
const timerStepMs = 64

/** Everything that can stop an attempt, as one signal: the queue's (cancelled, drained, lock lost), the log's (fenced, or it
 * takes nothing), the deadline. */
export function createStopSignal(
  queue: AbortSignal,
  writer: Pick<LogWriter, 'onFenced'>,
  timeoutMs: number,
): StopSignal {
  const stop = new AbortController()
  const onQueue = (): void => stop.abort(queue.reason)
  queue.addEventListener('abort', onQueue, { once: true })
  writer.onFenced((reason) => {
    const isFailure = reason instanceof InferqError
    stop.abort(isFailure ? reason : new FencedError('a newer attempt or an end has fenced this one'))
  })
  if (queue.aborted) onQueue()
  const timer = setTimeout(
    () => stop.abort(new DeadlineReachedError('the job did not end in time')),
    Math.min(toStep(timeoutMs), maxTimerMs),
  )
  return {
    signal: stop.signal,
    release() {
      clearTimeout(timer)
      queue.removeEventListener('abort', onQueue)
    },
  }
}

/** Node keeps a list for each duration: jobs that begin at about the same time share one. */
function toStep(timeoutMs: number): number {
  return Math.ceil(Math.max(0, timeoutMs) / timerStepMs) * timerStepMs
}
