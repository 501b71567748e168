import { type EndMessage, errorTable, type OutcomeMessage } from '@inferq/contracts'
import type { RefusedOutcome } from '@inferq/queue'
import type { ControllerParts } from './controller.ts'

/** Records a batch. Each job's end is counted by the call that recorded it: once, however often it comes. */
export function createOutcomeRecorder({
  store,
  log,
  metrics,
  onDeliveries,
}: Pick<ControllerParts, 'store' | 'log' | 'metrics'> & { onDeliveries(): void }) {
  const count = ({ class: modelClass, model, type, status, error, createdAt, endedAt }: EndMessage): void => {
    metrics.jobs.with({ model_class: modelClass, model, type, outcome: status }).inc()
    if (status === 'failed') {
      // It has come through Redis, perhaps from a newer worker: labels stay those we know.
      const code = error !== undefined && Object.hasOwn(errorTable, error.code) ? error.code : 'internal_error'
      metrics.jobFailures.with({ model_class: modelClass, code }).inc()
    }
    metrics.jobDurationSeconds
      .with({ model_class: modelClass, type, outcome: status })
      .observe(Math.max(0, endedAt - createdAt) / 1000)
  }

  return async (messages: readonly OutcomeMessage[]): Promise<readonly RefusedOutcome[]> => {
    const { ended, rejected, deliveries } = await store.commitOutcomes(messages)
    if (deliveries > 0) onDeliveries()
    for (const message of ended) {
      count(message)
      log.debug({ jobId: message.jobId, status: message.status }, 'job-recorded')
    }
    for (const { message, reason } of rejected) log.error({ jobId: message.jobId, reason }, 'outcome-lost')
    return rejected
  }
}
