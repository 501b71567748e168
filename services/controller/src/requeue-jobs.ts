import type { JobSpec } from '@inferq/contracts'
import { referenceTo } from '@inferq/queue'
import type { LostJob } from '@inferq/store'
import type { Counter, Family } from '@inferq/telemetry'
import type { ControllerParts } from './controller.ts'

/** Puts jobs into the queues of their first candidates. Harmless for one that is there, runs, or has ended. */
export interface Requeue {
  /** Their ingress died after accepting them. */
  relayed(specs: readonly JobSpec[]): Promise<void>
  /** Redis does not hold them (any more): their positions go on after those of the log it lost. */
  lost(jobs: readonly LostJob[]): Promise<void>
}

export function createRequeue(
  parts: Pick<ControllerParts, 'tokenLog' | 'queue' | 'log'> & { readonly recovered: Family<Counter, 'reason'> },
): Requeue {
  const { tokenLog, queue, log, recovered } = parts

  const requeue = async (jobs: readonly LostJob[], reason: 'relayed' | 'lost'): Promise<void> => {
    // In this order on one connection: a worker that takes the job from the queue finds its record.
    await Promise.all(
      jobs.flatMap(({ spec, losses }) => [tokenLog.open(spec, '', losses), queue.enqueue(referenceTo(spec, 0))]),
    )
    if (jobs.length === 0) return
    recovered.with({ reason }).inc(jobs.length)
    log.warn({ count: jobs.length, reason }, 'jobs-recovered')
  }

  return {
    relayed: (specs) =>
      requeue(
        specs.map((spec) => ({ spec, losses: 0 })),
        'relayed',
      ),
    lost: (jobs) => requeue(jobs, 'lost'),
  }
}
