import { flushCompileCache } from 'node:module'
import { constants } from 'node:os'
import { errorMessage } from './errors.ts'
import type { Log } from './log.ts'
import type { ServiceGroup } from './service-group.ts'

export interface RunOptions {
  readonly log: Log
  /** Ends the process at once; called on a second signal. In a main.ts: `(code) => process.exit(code)`. */
  readonly exit: (code: number) => void
  /** Called once everything has started: print the banner here. */
  readonly onStarted?: () => void
  /** Aborting it stops the group, with exit code 1: for a part that finds it cannot go on. */
  readonly stopOn?: AbortSignal
}

const signals = ['SIGTERM', 'SIGINT'] as const
type StopSignal = (typeof signals)[number]

/**
 * The life of a process, for a main.ts: starts the group, waits for SIGTERM or SIGINT, quiets, stops.
 * A signal while starting stops what has started. A second signal exits at once with 128 + its number.
 * Resolves to the exit code: 0 after a clean stop, 1 when the start failed, something failed while stopping, `stopOn`
 * aborted, or an error reached the top of the process (which is logged, and stops the group).
 */
export async function runUntilSignal(group: ServiceGroup, options: RunOptions): Promise<number> {
  const { log, exit } = options
  const stopping = Promise.withResolvers<number>()
  let asked = false

  const onSignal = (signal: StopSignal): void => {
    if (asked) {
      log.warn({ signal }, 'exit-now')
      exit(128 + constants.signals[signal])
      return
    }
    asked = true
    log.info({ signal }, 'stop-signal')
    stopping.resolve(0)
  }
  const onUncaught = (thrown: unknown): void => {
    log.error({ error: errorMessage(thrown), stack: thrown instanceof Error ? thrown.stack : undefined }, 'uncaught')
    stopping.resolve(1)
  }
  const onStopAsked = (): void => {
    log.error({ error: errorMessage(options.stopOn?.reason) }, 'stop-asked')
    stopping.resolve(1)
  }

  for (const signal of signals) process.on(signal, onSignal)
  process.on('uncaughtException', onUncaught)
  process.on('unhandledRejection', onUncaught)
  if (options.stopOn?.aborted) onStopAsked()
  else options.stopOn?.addEventListener('abort', onStopAsked, { once: true })

  try {
    const started = await Promise.race([startGroup(group, log), stopping.promise.then((): 'asked' => 'asked')])
    if (started === 'failed') return 1
    if (started === 'started') {
      options.onStarted?.()
      // Node writes it at the end of a process, and one that is killed would compile everything anew at every start.
      flushCompileCache()
    }
    const code = await stopping.promise
    if (started === 'started') await group.quiet()
    await group.stop()
    log.info({ code }, 'stopped')
    return code
  } catch (thrown) {
    log.error({ error: errorMessage(thrown) }, 'stop-failed')
    return 1
  } finally {
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onUncaught)
    process.off('unhandledRejection', onUncaught)
    options.stopOn?.removeEventListener('abort', onStopAsked)
  }
}

async function startGroup(group: ServiceGroup, log: Log): Promise<'started' | 'failed'> {
  try {
    await group.start()
    return 'started'
  } catch (thrown) {
    log.error({ error: errorMessage(thrown) }, 'start-failed')
    return 'failed'
  }
}
