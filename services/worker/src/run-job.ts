import { isTerminal, type JobRecord, type JobSpec } from '@inferq/contracts'
import { type Delivery, type JobQueue, type JobReference, type ProcessResult, referenceTo } from '@inferq/queue'
import type { Clock } from '@inferq/runtime'
import type { Shares } from '@inferq/shares'
import { startedHere, type TokenLog } from '@inferq/tokenlog'
import type { AttemptRunner } from './run-attempt.ts'

export interface JobRunnerOptions {
  readonly workerId: string
  maxTries(): number
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly shares: Pick<Shares, 'started'>
  readonly clock: Clock
  readonly runAttempt: AttemptRunner
}

export interface JobRunner {
  /** What the queue calls for each job it delivers. Rejects only for the unexpected, and is then delivered again. */
  process(delivery: Delivery, signal: AbortSignal, started?: JobSpec): Promise<ProcessResult>
  /** Ends a job that the queue has given up. */
  abandon(reference: JobReference, reason: string): Promise<void>
  /** The specification of a job that was started here; null when it has ended. */
  load(jobId: string): Promise<JobSpec | null>
  /** Puts a job into its queue that was started at a worker which was lost, unless it has ended. */
  recover(jobId: string): Promise<void>
}

const done: ProcessResult = { kind: 'done' }

/** From a delivery of the queue to its end: may it start, and if so, run one attempt. */
export function createJobRunner(options: JobRunnerOptions): JobRunner {
  const { workerId, maxTries, tokenLog, queue, shares, clock, runAttempt } = options

  /** Into the queue where it has to be: it changes nothing if it is there. */
  const forward = async ({ spec, hop }: JobRecord): Promise<void> => {
    if (spec.candidates[hop] !== undefined) await queue.enqueue(referenceTo(spec, hop))
  }

  const refuse = async (record: JobRecord, why: 'cancelled' | 'expired' | 'exhausted'): Promise<void> => {
    const at = clock.now()
    switch (why) {
      case 'cancelled':
        await tokenLog.terminate(record.spec.id, 'cancelled', {
          at,
          error: { code: 'job_cancelled', message: 'The job was cancelled.' },
        })
        return
      case 'expired':
        await tokenLog.terminate(record.spec.id, 'expired', {
          at,
          error: { code: 'job_expired', message: 'The job did not start in time.' },
        })
        return
      case 'exhausted':
        await tokenLog.terminate(record.spec.id, 'failed', {
          at,
          error: {
            code: 'attempts_exhausted',
            message: `The job was started ${record.tries} times, and each time its worker was lost.`,
          },
        })
        return
      default:
        why satisfies never
    }
  }

  return {
    async process(delivery, signal, started) {
      const { jobId, hop, tier, at } = delivery
      const start = { hop, class: delivery.class, worker: workerId, maxTries: maxTries() }
      const begun = started === undefined ? await tokenLog.begin(jobId, start) : startedHere(started)
      switch (begun.kind) {
        case 'begun':
          shares.started(delivery.class, tier, at)
          return runAttempt(begun, delivery, signal)
        case 'superseded':
          await forward(begun.record)
          return done
        case 'refused':
          await refuse(begun.record, begun.why)
          return done
        case 'ended':
        case 'unknown':
          return done
        default:
          return begun satisfies never
      }
    },

    async load(jobId) {
      return (await tokenLog.record(jobId))?.spec ?? null
    },

    async recover(jobId) {
      const record = await tokenLog.record(jobId)
      if (record !== null && !isTerminal(record.status)) await forward(record)
    },

    async abandon({ jobId }, reason) {
      await tokenLog.terminate(jobId, 'failed', {
        at: clock.now(),
        error: { code: 'attempts_exhausted', message: `The queue gave the job up: ${reason}` },
      })
    },
  }
}
