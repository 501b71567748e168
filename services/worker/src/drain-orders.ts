import type { RedisKeys } from '@inferq/contracts'
import type { WorkerRegistry } from '@inferq/queue'
import {
  type Clock,
  createPeriodicService,
  createService,
  type Log,
  orAborted,
  type Redis,
  type Service,
} from '@inferq/runtime'

export interface DrainOrdersOptions {
  readonly workerId: string
  readonly registry: Pick<WorkerRegistry, 'isDrainOrdered'>
  readonly subscriber: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  readonly log: Log
  /** How often it asks by itself. */
  readonly everyMs: number
  /** The worker shall drain, or work again. */
  onChange(drain: boolean): void
}

/**
 * Hears whether this worker shall drain. The order stands in Redis: a message about it only says to look at once, and one
 * that is lost costs a moment. It is looked for before the start is over, so that a worker that is started again under its
 * name takes nothing. While Redis is away the last answer holds.
 */
export function createDrainOrders(options: DrainOrdersOptions): Service {
  const { workerId, registry, subscriber, keys, clock, log, everyMs, onChange } = options
  const channel = keys.workerOrders()
  let last = false
  let looking: Promise<void> = Promise.resolve()

  const look = async (): Promise<void> => {
    const now = await registry.isDrainOrdered(workerId)
    if (now === last) return
    last = now
    log.info({ workerId }, now ? 'drain-ordered' : 'drain-cancelled')
    onChange(now)
  }
  /** One after the other: an answer that comes late must not undo a later one. */
  const lookNext = (): Promise<void> => {
    looking = looking.catch((): void => {}).then(look)
    return looking
  }
  const onMessage = (from: string, id: string): void => {
    // What goes wrong here is tried again at the next turn, which tells of it.
    if (from === channel && id === workerId) lookNext().catch((): void => {})
  }
  const turns = createPeriodicService({
    name: 'drain-orders',
    intervalMs: everyMs,
    clock,
    log,
    run: (signal) => orAborted(lookNext(), signal),
  })

  return createService({
    name: 'drain-orders',
    async start() {
      subscriber.on('message', onMessage)
      await subscriber.subscribe(channel)
      await lookNext()
      await turns.start()
    },
    async stop(deadline) {
      await turns.stop(deadline)
      subscriber.off('message', onMessage)
      await subscriber.unsubscribe(channel).catch((): number => 0)
    },
  })
}
