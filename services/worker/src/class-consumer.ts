import type { RedisKeys } from '@inferq/contracts'
import type { LiveConfig } from '@inferq/liveconfig'
import { createJobConsumer, type DirectStarts, type JobConsumer, type JobQueue } from '@inferq/queue'
import type { Clock, Redis } from '@inferq/runtime'
import type { Shares } from '@inferq/shares'
import type { InferqMetrics, Logger } from '@inferq/telemetry'
import type { Affinity } from './affinity/create-affinity.ts'
import type { JobRunner } from './run-job.ts'
import type { RunningWork } from './running-work.ts'

export interface ClassConsumerOptions extends Pick<DirectStarts, 'workerId' | 'starts'> {
  readonly live: Pick<LiveConfig, 'current'>
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly shares: Shares
  readonly queue: Pick<JobQueue, 'enqueue'>
  readonly affinity: Pick<Affinity, 'handoverOf'>
  readonly jobs: JobRunner
  readonly work: Pick<RunningWork, 'track'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<InferqMetrics, 'consumerRecreations'>
}

/** Gives what makes the consumer of a class, for so many jobs at once: as `create` of consumers.ts. */
export function createClassConsumer(
  options: ClassConsumerOptions,
): (modelClass: string, concurrency: number) => JobConsumer {
  const { live, redis, keys, shares, queue, affinity, jobs, work, clock, log, metrics } = options
  const direct: DirectStarts = {
    workerId: options.workerId,
    starts: options.starts,
    load: (jobId) => jobs.load(jobId),
    requeue: (delivery, delayMs) => queue.enqueue(delivery, delayMs, delivery.at),
    recover: (jobId) => jobs.recover(jobId),
  }
  return (name, concurrency) =>
    createJobConsumer({
      class: name,
      concurrency,
      lockMs: live.current().workers.lockSeconds * 1000,
      stalledMs: live.current().workers.stalledSeconds * 1000,
      redis,
      keys,
      placing: shares,
      log,
      clock,
      handover: affinity.handoverOf(name),
      onRecreated: () => metrics.consumerRecreations.with({ model_class: name }).inc(),
      direct,
      process: (...job) => work.track(jobs.process(...job)),
      onAbandoned: (reference, reason) => jobs.abandon(reference, reason),
    })
}
