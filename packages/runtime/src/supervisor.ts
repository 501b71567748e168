import { type Backoff, backoffMs } from './backoff.ts'
import type { Child, ChildExit } from './child-process.ts'
import type { Clock } from './clock.ts'
import { createDeadline, type Deadline } from './deadline.ts'
import { errorMessage } from './errors.ts'
import type { Log } from './log.ts'
import { createService, type Service } from './service.ts'

export type ChildState = 'starting' | 'up' | 'down' | 'stopped'

export interface SupervisorOptions {
  readonly name: string
  readonly log: Log
  readonly clock: Clock
  /** Starts the child and resolves when it is ready; on rejection it has left none behind. Called again for each restart. */
  readonly spawn: (signal: AbortSignal) => Promise<Child>
  /** Wait between a death and the restart. Default 100 ms doubling to 10 s; back to the first after a minute up. */
  readonly backoff?: Backoff
  /** How long after SIGTERM the child is killed, when the deadline of `stop` leaves more. Default: the deadline alone. */
  readonly killAfterMs?: number
  readonly random?: () => number
  readonly onState?: (state: ChildState) => void
}

/** A child process kept alive. */
export interface Supervisor extends Service {
  readonly state: ChildState
  /** The child's process id, while there is one. */
  readonly pid: number | undefined
  /** How often the child was started again since the start. */
  readonly restarts: number
  /** Kills the child at once, so that it is restarted: for a child found hanging. */
  replace(reason: string): void
}

const steadyMs = 60_000

/**
 * Keeps one child alive.
 *
 *     starting ──ready──▶ up ──dies──▶ down ──backoff, spawn──▶ up
 *         │                └──stop──▶ stopped ◀──stop──┘
 *         └──cannot──▶ start() rejects
 *
 * The first start must succeed, or `start` rejects; later ones are tried for ever, with bounded backoff.
 * `stop` sends SIGTERM, waits until the deadline, then SIGKILLs, and always waits for the child to be gone.
 */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { name, log, clock, spawn, random = Math.random, backoff = { firstMs: 100, maxMs: 10_000 } } = options
  const stopping = new AbortController()
  let state: ChildState = 'starting'
  let child: Child | undefined
  let restarts = 0
  let failures = 0
  let watching: Promise<void> = Promise.resolve()
  let stopDeadline: Deadline | undefined

  const enter = (next: ChildState): void => {
    state = next
    options.onState?.(next)
  }

  const watch = async (first: Child): Promise<void> => {
    let current: Child | undefined = first
    while (current) {
      const upSince = clock.monotonic()
      const exit: ChildExit = await current.exited
      child = undefined
      if (stopping.signal.aborted) return
      if (clock.monotonic() - upSince >= steadyMs) failures = 0
      enter('down')
      log.error({ child: name, ...exit, lastLines: current.recentLines().slice(-5) }, 'child-died')
      current = await respawn()
    }
  }

  const respawn = async (): Promise<Child | undefined> => {
    while (!stopping.signal.aborted) {
      failures++
      try {
        await clock.sleep(backoffMs(backoff, failures, random), stopping.signal)
        const fresh = await spawn(stopping.signal)
        if (stopDeadline) {
          await endChild(fresh, clock, stopDeadline, options.killAfterMs)
          return undefined
        }
        child = fresh
        restarts++
        enter('up')
        log.info({ child: name, pid: child.pid, restarts }, 'child-restarted')
        return fresh
      } catch (thrown) {
        if (!stopping.signal.aborted) log.error({ child: name, error: errorMessage(thrown) }, 'child-restart-failed')
      }
    }
    return undefined
  }

  const service = createService({
    name,
    async start() {
      child = await spawn(stopping.signal)
      enter('up')
      log.debug({ child: name, pid: child.pid }, 'child-started')
      watching = watch(child)
    },
    async stop(deadline) {
      stopDeadline = deadline
      stopping.abort(new Error(`${name} is stopping`))
      if (child) await endChild(child, clock, deadline, options.killAfterMs)
      await watching
      enter('stopped')
    },
  })

  return {
    ...service,
    get state() {
      return state
    },
    get pid() {
      return child?.pid
    },
    get restarts() {
      return restarts
    },
    replace(reason) {
      if (state !== 'up' || !child) return
      log.error({ child: name, pid: child.pid, reason }, 'child-replaced')
      child.kill('SIGKILL')
    },
  }
}

/** SIGTERM, then SIGKILL when the deadline (or `killAfterMs`, if sooner) has passed. Resolves when the child is gone. */
async function endChild(child: Child, clock: Clock, deadline: Deadline, killAfterMs?: number): Promise<void> {
  const patience = createDeadline(clock, {
    timeoutMs: Math.min(killAfterMs ?? deadline.timeoutMs, deadline.timeoutMs),
    what: 'ending a child',
    parent: deadline.signal,
  })
  const onTimeUp = (): void => child.kill('SIGKILL')
  if (patience.signal.aborted) onTimeUp()
  else patience.signal.addEventListener('abort', onTimeUp, { once: true })
  child.kill('SIGTERM')
  try {
    await child.exited
  } finally {
    patience.signal.removeEventListener('abort', onTimeUp)
    patience.release()
  }
}
