import { errorMessage } from '@inferq/runtime'
import type { StoredBatch } from '@inferq/store'
import type { ControllerParts } from '../controller.ts'
import { cancelWaiting } from './cancel-waiting.ts'
import { createLineSubmitter, type Rooms } from './submit-lines.ts'

export interface BatchRunner {
  /** One step of every batch that runs and is nobody else's. */
  turn(signal: AbortSignal): Promise<void>
  /** Others may go on with them at once. */
  release(): Promise<void>
}

/** Longer than a turn: batches of a controller that dies are another's by then. */
const leaseMs = 15_000
/** Of one controller at once, the oldest first. */
const maxBatches = 64

export type RunnerParts = Pick<
  ControllerParts,
  'controllerId' | 'store' | 'tokenLog' | 'queue' | 'clock' | 'log' | 'config' | 'redis' | 'keys'
> & {
  /** Between two looks while there is no batch. */
  readonly idleMs: number
}

/**
 * Runs the lines of batches: takes over the ends of their jobs, keeps a few in the queues, closes what was cancelled or is
 * late, and says when every line has ended. Everything it knows is in Postgres; another controller goes on from there.
 */
export function createBatchRunner(parts: RunnerParts): BatchRunner {
  const { controllerId: holder, store, clock, log, idleMs } = parts
  const submitLines = createLineSubmitter(parts)
  let idleUntil = 0
  let held: readonly string[] = []
  let rotation = 0

  const step = async (batch: StoredBatch, rooms: Rooms, signal: AbortSignal): Promise<void> => {
    const { id } = batch
    if (batch.status === 'cancelling' && batch.inProgressAt === null) {
      // Cancelled while it was read: none of its lines was to run.
      await store.finishBatch(id, { outputFileId: null, errorFileId: null })
      return
    }
    const queued = await store.findQueuedJobs(id)
    const collected = await store.collectEndedJobs(id, queued)
    let isMoving = false
    if (batch.status === 'cancelling') {
      await store.closePendingLines(id, 'cancelled')
      await cancelWaiting(parts, queued, signal)
    } else if (clock.now() >= batch.expiresAt) {
      await store.expireBatch(id)
      await store.closePendingLines(id, 'expired')
    } else {
      isMoving = (await submitLines(batch, rooms)) > 0
    }
    if (isMoving || collected < queued.length) return
    if (await store.endBatchRun(id)) log.info({ batchId: id }, 'batch-lines-ended')
  }

  return {
    async turn(signal) {
      if (clock.monotonic() < idleUntil) return
      const batches = await store.claimBatches('run', { holder, leaseMs, limit: maxBatches })
      held = batches.map(({ id }) => id)
      if (batches.length === 0) idleUntil = clock.monotonic() + idleMs
      // Each in turn is first to take what room there is.
      rotation = (rotation + 1) % Math.max(1, batches.length)
      const rooms: Rooms = new Map()
      for (const batch of [...batches.slice(rotation), ...batches.slice(0, rotation)]) {
        signal.throwIfAborted()
        await step(batch, rooms, signal).catch((thrown: unknown) => {
          log.warn({ batchId: batch.id, error: errorMessage(thrown) }, 'batch-step-failed')
        })
      }
    },
    async release() {
      const ids = held
      held = []
      for (const id of ids) await store.releaseBatch(id, holder)
    },
  }
}
