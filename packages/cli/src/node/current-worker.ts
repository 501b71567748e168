import type { Service, ServiceGroup } from '@inferq/runtime'
import type { ComposedWorker, WorkerActivity } from '@inferq/worker'

/** The worker of this process, as a supervisor asks for it. It comes and goes with its backend, if it has one of its own. */
export interface CurrentWorker {
  /** The same worker; from here on it is the current one, until it has stopped. */
  follow(worker: ComposedWorker): ServiceGroup
  activity(): WorkerActivity
  /** `starting`: there is none that takes jobs (yet, or because its backend is gone). */
  state(): 'starting' | 'ready' | 'draining' | 'drained'
  /**
   * Takes nothing new from now on, for good: a stop is to follow. Resolves when nothing runs any more, true, or after
   * `timeoutMs`, false.
   */
  drain(timeoutMs: number): Promise<boolean>
}

/** `service` is what the process runs: the worker, or the worker with its backend. */
export function createCurrentWorker(service: () => Service): CurrentWorker {
  let current: ComposedWorker | undefined
  let hasStarted = false
  let isDraining = false
  const activity = (): WorkerActivity => {
    const now = current?.activity() ?? { inFlight: 0, oldestAt: null, state: 'running' }
    if (!isDraining || now.state !== 'running') return now
    return { ...now, state: now.inFlight === 0 ? 'drained' : 'draining' }
  }

  return {
    follow(worker) {
      current = worker
      hasStarted = false
      return {
        ...worker,
        async start() {
          await worker.start()
          hasStarted = true
        },
        async stop(deadline) {
          try {
            await worker.stop(deadline)
          } finally {
            if (current === worker) current = undefined
          }
        },
      }
    },
    activity,
    state() {
      const { state } = activity()
      if (state !== 'running') return state
      return current !== undefined && hasStarted ? 'ready' : 'starting'
    },
    async drain(timeoutMs) {
      isDraining = true
      await service().quiet?.()
      return current?.drained(timeoutMs) ?? true
    },
  }
}
