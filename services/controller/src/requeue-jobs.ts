import type { JobSpec } from '@inferq/contracts'
import type { Counter, Family } from '@inferq/telemetry'
import type { ControllerParts } from './controller.ts'

/** Why a job was not in its queue: its ingress died after accepting it, or Redis lost it. */
export type RequeueReason = 'relayed' | 'lost'

/** Puts jobs into the queues of their first candidates. Harmless for one that is there, runs, or has ended. */
export type Requeue = (specs: readonly JobSpec[], reason: RequeueReason) => Promise<void>

export function createRequeuer(
  parts: Pick<ControllerParts, 'tokenLog' | 'queue' | 'log'> & { readonly recovered: Family<Counter, 'reason'> },
): { readonly requeue: Requeue } {
  const { tokenLog, queue, log, recovered } = parts
  return {
    async requeue(specs, reason) {
      // In this order on one connection: a worker that takes the job from the queue finds its record.
      await Promise.all(
        specs.flatMap((spec) => [
          tokenLog.open(spec),
          queue.enqueue({
            jobId: spec.id,
            hop: 0,
            type: spec.type,
            class: spec.candidates[0]?.class ?? '',
            tier: spec.tier,
          }),
        ]),
      )
      if (specs.length === 0) return
      recovered.with({ reason }).inc(specs.length)
      log.warn({ count: specs.length, reason }, 'jobs-recovered')
    },
  }
}
