import type { Clock } from './clock.ts'
import { createDeadline, type Deadline, orAborted, withDeadline } from './deadline.ts'
import { errorMessage, RuntimeError } from './errors.ts'
import type { Log } from './log.ts'
import { createService, type Service } from './service.ts'

export interface ServiceGroupOptions {
  readonly log: Log
  readonly clock: Clock
  readonly name?: string
  /** How long `stop` may take over all services together; from then on each only gets `closeGraceMs`. Default 30 s. */
  readonly stopTimeoutMs?: number
  /** What each service gets to turn quiet. Default 5 s. */
  readonly quietTimeoutMs?: number
  /** What a service gets, after the deadline's signal, to release what it holds before it is left behind. Default 2 s. */
  readonly closeGraceMs?: number
}

/** Several services as one. `stop` may be called without a deadline: the group brings its own. */
export interface ServiceGroup extends Service {
  quiet(): Promise<void>
  stop(deadline?: Deadline): Promise<void>
}

/**
 * Starts services in order, quiets all, stops in reverse order.
 * - A failed start stops those already started, in reverse, and rejects with `service_start_failed` naming the service.
 * - `quiet` asks every service, in order, even when one fails; a failure is logged.
 * - `stop` asks every service, even when one fails or outlives its time, then rejects with `service_stop_failed`
 *   naming those. The deadline covers all of them together.
 */
export function createServiceGroup(options: ServiceGroupOptions, services: readonly Service[]): ServiceGroup {
  const { log, clock, name = 'services' } = options
  const { stopTimeoutMs = 30_000, quietTimeoutMs = 5_000, closeGraceMs = 2_000 } = options
  const begun: Service[] = []

  const stopBegun = async (deadline: Deadline): Promise<void> => {
    const failures: Error[] = []
    for (let service = begun.pop(); service; service = begun.pop()) {
      const failure = await stopOne(service, deadline)
      if (failure) failures.push(failure)
    }
    if (failures.length > 0) {
      const message = failures.map((failure) => failure.message).join('; ')
      throw new RuntimeError('service_stop_failed', message, { cause: new AggregateError(failures) })
    }
  }

  const stopOne = async (service: Service, deadline: Deadline): Promise<Error | undefined> => {
    const startedAt = clock.monotonic()
    const abandoned = new AbortController()
    let cancel = (): void => {}
    const onDeadline = (): void => {
      cancel = clock.after(closeGraceMs, () => abandoned.abort(new Error('did not stop in time and was left behind')))
    }
    if (deadline.signal.aborted) onDeadline()
    else deadline.signal.addEventListener('abort', onDeadline, { once: true })
    try {
      await orAborted(service.stop(deadline), abandoned.signal)
      log.debug({ service: service.name, ms: Math.round(clock.monotonic() - startedAt) }, 'service-stopped')
      return undefined
    } catch (thrown) {
      log.error({ service: service.name, error: errorMessage(thrown) }, 'service-stop-failed')
      return new Error(`${service.name}: ${errorMessage(thrown)}`, { cause: thrown })
    } finally {
      deadline.signal.removeEventListener('abort', onDeadline)
      cancel()
    }
  }

  const stopAll = async (): Promise<void> => {
    const deadline = createDeadline(clock, { timeoutMs: stopTimeoutMs, what: `stopping ${name}` })
    try {
      await stopBegun(deadline)
    } finally {
      deadline.release()
    }
  }

  const parts = createService({
    name,
    async start() {
      for (const service of services) {
        const startedAt = clock.monotonic()
        begun.push(service)
        try {
          await service.start()
        } catch (thrown) {
          begun.pop()
          log.error({ service: service.name, error: errorMessage(thrown) }, 'service-start-failed')
          await stopAll().catch((): void => {})
          const message = `${service.name} did not start: ${errorMessage(thrown)}`
          throw new RuntimeError('service_start_failed', message, { cause: thrown })
        }
        log.debug({ service: service.name, ms: Math.round(clock.monotonic() - startedAt) }, 'service-started')
      }
    },
    async quiet() {
      for (const service of begun) {
        try {
          await withDeadline(clock, { timeoutMs: quietTimeoutMs, what: 'quiet' }, async () => service.quiet?.())
        } catch (thrown) {
          log.warn({ service: service.name, error: errorMessage(thrown) }, 'service-quiet-failed')
        }
      }
    },
    stop: stopBegun,
  })

  let stopped: Promise<void> | undefined
  return {
    name,
    start: () => parts.start(),
    quiet: async () => parts.quiet?.(),
    stop(deadline) {
      stopped ??= (async () => {
        const own = createDeadline(clock, {
          timeoutMs: Math.min(stopTimeoutMs, deadline?.timeoutMs ?? stopTimeoutMs),
          what: `stopping ${name}`,
          parent: deadline?.signal,
        })
        try {
          await parts.stop(own)
        } finally {
          own.release()
        }
      })()
      return stopped
    },
  }
}
