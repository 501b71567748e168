import type { RedisKeys } from '@inferq/contracts'
import { createService, type Service } from '@inferq/runtime'
import type { Redis } from 'ioredis'

export interface CancelListenerOptions {
  /** May have other subscriptions too. */
  readonly subscriber: Redis
  readonly keys: RedisKeys
  onCancel(jobId: string): void
}

/** Hears which running jobs shall stop. A message lost here costs only work: the job's record is marked as well. */
export function createCancelListener({ subscriber, keys, onCancel }: CancelListenerOptions): Service {
  const channel = keys.cancellations()
  const onMessage = (from: string, jobId: string): void => {
    if (from === channel) onCancel(jobId)
  }
  return createService({
    name: 'cancel-listener',
    async start() {
      subscriber.on('message', onMessage)
      await subscriber.subscribe(channel)
    },
    async stop() {
      subscriber.off('message', onMessage)
      await subscriber.unsubscribe(channel).catch((): number => 0)
    },
  })
}
