import { jobIdOf } from './bull-jobs.ts'
import { LostLockError } from './job-queue.ts'

/** The jobs of one consumer that run now, and how each of them is told to stop. */
export interface JobRuns {
  /** Those that run now. */
  readonly size: number
  /** Their ids. */
  readonly jobIds: readonly string[]
  /**
   * Runs `work`, which counts until it has settled. `signal` is aborted by one of the following. `token` is that of the job's lock;
   * it begins with the id of the BullMQ Worker that holds it.
   */
  run<T>(bullId: string, token: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** False when the job does not run here. */
  abort(jobId: string, reason: Error): boolean
  abortAll(reason: Error): void
  /**
   * Tells the run of this very place in the queue that its lock is lost, if it is here (and this Worker's, where one is named).
   * False when it is not.
   */
  loseLock(bullId: string, workerId?: string): boolean
}

interface Run {
  readonly bullId: string
  readonly token: string
  readonly controller: AbortController
}

/** `onEnd` is called in the turn in which one has ended. */
export function createJobRuns(onEnd: () => void): JobRuns {
  const running = new Map<string, Run>()

  return {
    get size() {
      return running.size
    },
    get jobIds() {
      return [...running.keys()]
    },
    async run(bullId, token, work) {
      const jobId = jobIdOf(bullId)
      const controller = new AbortController()
      running.set(jobId, { bullId, token, controller })
      try {
        return await work(controller.signal)
      } finally {
        if (running.get(jobId)?.controller === controller) running.delete(jobId)
        onEnd()
      }
    },
    abort(jobId, reason) {
      const found = running.get(jobId)
      found?.controller.abort(reason)
      return found !== undefined
    },
    abortAll(reason) {
      for (const { controller } of running.values()) controller.abort(reason)
    },
    loseLock(bullId, workerId = '') {
      const found = running.get(jobIdOf(bullId))
      if (found?.bullId !== bullId || !found.token.startsWith(workerId)) return false
      found.controller.abort(new LostLockError(`the lock of ${bullId} is lost`))
      return true
    },
  }
}
