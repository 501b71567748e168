import type { Clock } from './clock.ts'
import { RuntimeError } from './errors.ts'

/** How long something may take: `signal` aborts when `timeoutMs` have passed, counted from its making. */
export interface Deadline {
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** A deadline that can tell what is left of it, and that has to be released. */
export interface RunningDeadline extends Deadline {
  remainingMs(): number
  release(): void
}

/** Thrown (or the signal's reason) when a deadline has passed. `what` names the thing that took too long. */
export class DeadlineError extends RuntimeError {
  constructor(what: string, timeoutMs: number) {
    super('deadline_exceeded', `${what} took longer than ${Math.round(timeoutMs)} ms`)
    this.name = 'DeadlineError'
  }
}

/** Starts a deadline. An aborted `parent` aborts it too, with the parent's reason. Call `release` when done. */
export function createDeadline(
  clock: Clock,
  options: { readonly timeoutMs: number; readonly what: string; readonly parent?: AbortSignal | undefined },
): RunningDeadline {
  const { timeoutMs, what, parent } = options
  const controller = new AbortController()
  const startedAt = clock.monotonic()
  const cancel = clock.after(timeoutMs, () => {
    parent?.removeEventListener('abort', onParent)
    controller.abort(new DeadlineError(what, timeoutMs))
  })
  const onParent = (): void => {
    cancel()
    controller.abort(parent?.reason)
  }
  if (parent?.aborted) onParent()
  else parent?.addEventListener('abort', onParent, { once: true })
  return {
    signal: controller.signal,
    timeoutMs,
    remainingMs: () => Math.max(0, timeoutMs - (clock.monotonic() - startedAt)),
    release() {
      cancel()
      parent?.removeEventListener('abort', onParent)
    },
  }
}

/**
 * Runs `work` under a deadline: the result is work's, or a rejection with DeadlineError (or the parent's reason) as
 * soon as the time is up, whether or not `work` heeds its signal.
 */
export async function withDeadline<T>(
  clock: Clock,
  options: { readonly timeoutMs: number; readonly what: string; readonly parent?: AbortSignal | undefined },
  work: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const deadline = createDeadline(clock, options)
  try {
    return await orAborted(work(deadline), deadline.signal)
  } finally {
    deadline.release()
  }
}

/** `promise`, or a rejection with the signal's reason when it aborts first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
