import { InferqError } from '@inferq/contracts'
import type { OutcomeWeight } from '@inferq/queue'
import { type Clock, createPeriodicService, type Log, type Service } from '@inferq/runtime'

/**
 * Whether there is room for the outcomes of more jobs. While Postgres is away they wait in Redis, which must not be filled by
 * them: it also holds the queues. So beyond a bound nothing new is taken. A Service: started, it looks every second.
 */
export interface OutcomeRoom extends Service {
  /** Throws `service_unavailable` while too many wait. Costs nothing: what the last look saw. */
  check(): void
}

export interface OutcomeRoomOptions {
  weigh(): Promise<OutcomeWeight>
  /** Messages that may wait. Default 200,000. */
  readonly maxLength?: number
  /** Part of Redis's `maxmemory` that they may take. Default a quarter. */
  readonly maxShare?: number
  /** Default 1 s. */
  readonly lookEveryMs?: number
  readonly clock: Clock
  readonly log: Log
}

const retryAfterSeconds = 5

export function createOutcomeRoom(options: OutcomeRoomOptions): OutcomeRoom {
  const { weigh, maxLength = 200_000, maxShare = 0.25, lookEveryMs = 1_000, clock, log } = options
  let isFull = false

  const service = createPeriodicService({
    name: 'outcome-room',
    intervalMs: lookEveryMs,
    clock,
    log,
    async run() {
      const { length, bytes, maxMemoryBytes } = await weigh()
      const wasFull = isFull
      isFull = length >= maxLength || (maxMemoryBytes !== null && bytes >= maxMemoryBytes * maxShare)
      if (isFull && !wasFull) log.error({ outcomes: length, bytes }, 'outcomes-too-many')
      if (wasFull && !isFull) log.info({ outcomes: length, bytes }, 'outcomes-have-room')
    },
  })
  return {
    ...service,
    check() {
      if (!isFull) return
      const message = 'Too many results wait for the database: nothing new is taken until it has recorded them.'
      throw new InferqError({ code: 'service_unavailable', message, retryAfterSeconds })
    },
  }
}
