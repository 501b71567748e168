import { type Deadline, orAborted } from './deadline.ts'

/**
 * Anything long-lived. The contract:
 * - `start` resolves when the service works; it rejects when it cannot, having released what it took. A second call is
 *   the first one's promise.
 * - `quiet` makes it take nothing new; what it has goes on. Optional.
 * - `stop` ends it: drains until the deadline's signal, hands back the rest, releases everything. It does not need a
 *   `quiet` before it. A second call is the first one's promise; on a service never started it does nothing.
 */
export interface Service {
  readonly name: string
  start(): Promise<void>
  quiet?(): Promise<void> | void
  stop(deadline: Deadline): Promise<void>
}

/** The parts of a service, before they are made idempotent. */
export interface ServiceParts {
  readonly name: string
  start(): Promise<void> | void
  quiet?(): Promise<void> | void
  stop(deadline: Deadline): Promise<void> | void
}

/**
 * Makes a Service of its parts: repeated and overlapping calls of each part run it once, `stop` waits for a `start`
 * under way, and a service stopped before its start never starts (its `start` then rejects).
 * A service lives once: it does not start again after `stop`.
 */
export function createService(parts: ServiceParts): Service {
  let started: Promise<void> | undefined
  let quieted: Promise<void> | undefined
  let stopped: Promise<void> | undefined

  const quiet = (): Promise<void> => {
    if (started === undefined) return Promise.resolve()
    quieted ??= started.then(() => parts.quiet?.())
    return quieted
  }
  const stopStarted = async (starting: Promise<void>, deadline: Deadline): Promise<void> => {
    try {
      await orAborted(starting, deadline.signal)
    } catch {
      // A start that failed released what it took; one that outlives the deadline is stopped under way.
      if (!deadline.signal.aborted) return
    }
    await parts.stop(deadline)
  }

  return {
    name: parts.name,
    start() {
      if (started === undefined && stopped !== undefined) {
        return Promise.reject(new Error(`${parts.name} was stopped before it was started`))
      }
      started ??= (async () => parts.start())()
      return started
    },
    ...(parts.quiet ? { quiet } : {}),
    stop(deadline) {
      stopped ??= started === undefined ? Promise.resolve() : stopStarted(started, deadline)
      return stopped
    },
  }
}
