import type { JobSpec, RedisKeys } from '@inferq/contracts'
import type { Clock, Log } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import { bullId } from '../bull-jobs.ts'
import type { FetcherPool } from '../fetcher-pool.ts'
import { type ConsumeOptions, type Delivery, referenceTo } from '../job-queue.ts'
import type { JobRuns } from '../job-runs.ts'
import { createDirectLane, type DirectLane } from './create-direct-lane.ts'
import { createSlots } from './slots.ts'
import type { Start, Starts } from './starts.ts'

/** What a consumer needs for jobs to be started at it directly. */
export interface DirectStarts {
  readonly workerId: string
  readonly starts: Pick<Starts, 'listen' | 'settled'>
  /** A job's specification, from its record; null when the job has ended. */
  load(jobId: string): Promise<JobSpec | null>
  /** Puts a job into the queue that was started here and has to run again. */
  requeue(delivery: Delivery, delayMs: number): Promise<void>
  /** Puts a job into the queue whose worker was lost, unless it has ended. */
  recover(jobId: string): Promise<void>
}

export interface ConsumerLaneOptions extends ConsumeOptions, DirectStarts {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  readonly log: Log
  readonly runs: Pick<JobRuns, 'run' | 'loseLock'>
  readonly pool: Pick<FetcherPool, 'limit' | 'occupy'>
}

/** Renewals in the length of a lease; a worker that has missed three is given no jobs. */
const renewalsPerLease = 6
const silentRenewals = 3
/** A job whose run has thrown, as for those of the queue. */
const againAfterThrowMs = 1_000
/** In place of a lock's token, which begins with the id of a BullMQ Worker. */
const token = 'direct'

/** The direct lane of a consumer: leases are as long as the queue's locks, and lost jobs are looked for as often. */
export function createConsumerLane(options: ConsumerLaneOptions): DirectLane {
  const { runs, pool, lockMs, log } = options
  const renewEveryMs = lockMs / renewalsPerLease

  const requeue = async (delivery: Delivery, delayMs: number): Promise<boolean> => {
    try {
      await options.requeue(delivery, delayMs)
      return true
    } catch (error) {
      log.warn({ jobId: delivery.jobId, error }, 'started-job-not-requeued')
      return false
    }
  }

  const runSpec = async (spec: JobSpec, at: number): Promise<boolean> => {
    const delivery: Delivery = { ...referenceTo(spec, 0), at }
    try {
      const result = await runs.run(bullId(delivery), token, (signal) => options.process(delivery, signal, spec))
      return result.kind === 'done' || (await requeue(delivery, result.delayMs))
    } catch (error) {
      log.error({ jobId: spec.id, class: options.class, error }, 'job-processing-failed')
      return requeue(delivery, againAfterThrowMs)
    }
  }

  /** Whether the job is done with here. */
  const run = async ({ jobId, spec, at }: Start): Promise<boolean> => {
    if (spec !== undefined) return runSpec(spec, at)
    try {
      const loaded = await options.load(jobId)
      return loaded === null || (await runSpec(loaded, at))
    } catch (error) {
      log.warn({ jobId, error }, 'started-job-not-loaded')
      return false
    }
  }

  return createDirectLane({
    ...options,
    slots: createSlots({ ...options, leaseMs: lockMs, silenceMs: silentRenewals * renewEveryMs }),
    limit: () => pool.limit,
    run,
    onLost: (jobId) => void runs.loseLock(bullId({ jobId, hop: 0 })),
    onOccupied: pool.occupy,
    renewEveryMs,
    sweepEveryMs: options.stalledMs,
  })
}
