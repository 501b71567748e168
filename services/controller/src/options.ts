import type { InferqConfig } from '@inferq/config'
import { retryWaitsMs } from './webhooks/retry-schedule.ts'

/** Times and bounds of a controller, in ms; all have defaults. */
export interface ControllerOptions {
  /** Outcomes recorded by one statement, at most. */
  readonly batchSize: number
  /** How long a batch that is not full first waits for more; under load up to fifteen times as long. */
  readonly lingerMs: number
  /** Outcomes that another controller holds for this long are taken over. */
  readonly takeOverAfterMs: number
  readonly relayEveryMs: number
  readonly expireEveryMs: number
  readonly reconcileEveryMs: number
  readonly retainEveryMs: number
  /** Between two looks at all queues for jobs that Postgres has ended; one in doubt is looked at at once. */
  readonly endedElsewhereEveryMs: number
  /** Between two looks at how far the classes' clocks have come. */
  readonly renumberEveryMs: number
  /** Between two steps of running batches, and between two looks while there is none. */
  readonly batchEveryMs: number
  readonly batchIdleMs: number
  /** How long batches stay after their end; their files have times of their own. */
  readonly batchKeepMs: number
  /** Longest turn of each of these. */
  readonly turnTimeoutMs: number
  /** Between two looks for webhooks that are due; an end recorded here is told at once. */
  readonly webhookPollMs: number
  /** Between two counts of pending deliveries, for the metric. */
  readonly webhookCountEveryMs: number
  /** Deliveries at once, and of those to one host. */
  readonly webhookConcurrency: number
  readonly webhooksPerHost: number
  /** Between attempts to deliver: after the first, the second, … */
  readonly webhookWaitsMs: readonly number[]
  /** Where they may go, and how patiently; asked at every attempt. */
  webhooks(): InferqConfig['webhooks']
  /** How long jobs stay readable after their end; asked at every turn. */
  resultKeepMs(): number
  /** How long the requests of jobs that ended without a result stay, to be run again; asked at every turn. */
  promptKeepMs(): number
  /** How long bills stay, though never shorter than their jobs; asked at every turn. */
  spendKeepMs(): number
  /** How long an Idempotency-Key is remembered. */
  readonly idempotencyKeepMs: number
}

export const defaultOptions: ControllerOptions = {
  batchSize: 500,
  lingerMs: 20,
  takeOverAfterMs: 15_000,
  relayEveryMs: 1_000,
  expireEveryMs: 1_000,
  reconcileEveryMs: 2_000,
  retainEveryMs: 60_000,
  endedElsewhereEveryMs: 600_000,
  renumberEveryMs: 10_000,
  batchEveryMs: 100,
  batchIdleMs: 1_000,
  batchKeepMs: 30 * 86_400_000,
  webhookPollMs: 1_000,
  webhookCountEveryMs: 15_000,
  webhookConcurrency: 32,
  webhooksPerHost: 4,
  webhookWaitsMs: retryWaitsMs,
  webhooks: () => ({ allowPrivate: false, ports: [], timeoutSeconds: 15, maxAttempts: 8 }),
  turnTimeoutMs: 60_000,
  resultKeepMs: () => 7 * 86_400_000,
  promptKeepMs: () => 7 * 86_400_000,
  spendKeepMs: () => 400 * 86_400_000,
  idempotencyKeepMs: 86_400_000,
}
