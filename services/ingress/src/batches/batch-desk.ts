import { createId, createService, errorMessage, type Service } from '@inferq/runtime'
import type { BatchLease, BatchStage, StoredBatch } from '@inferq/store'
import type { IngressCore } from '../dependencies.ts'
import { createValidation } from '../validation.ts'
import { takeIn } from './intake.ts'
import { putOut } from './output.ts'

/**
 * What ingresses do for batches beside answering: read their input, write their output, sweep files away. Any number may
 * do it; each batch is one ingress's at a time, and another's when that one dies. The controller runs the lines between.
 */
export interface BatchDesk extends Service {
  /** There is a new batch: look now. */
  wake(): void
}

/** Longer than anything between two renewals takes. */
const leaseMs = 30_000
/** An upload that was begun so long ago will not end. */
const abandonedMs = 86_400_000
const sweepLimit = 200

export function createBatchDesk(getCore: () => IngressCore): BatchDesk {
  const validation = createValidation()
  const lease: BatchLease = { holder: createId('desk'), leaseMs }
  const stopping = new AbortController()
  let waking = new AbortController()
  let loops: readonly Promise<void>[] = []

  /** Works on batches one after the other while there are any. A failure is the batch's: the others go on. */
  const workOn = async (
    stage: BatchStage,
    work: (core: IngressCore, batch: StoredBatch) => Promise<void>,
  ): Promise<void> => {
    const core = getCore()
    const { store, log } = core
    const delayed = new Set<string>()
    for (;;) {
      const claimed = await store.claimBatches(stage, { ...lease, limit: delayed.size + 1 })
      const batch = claimed.find(({ id }) => !delayed.has(id))
      if (batch === undefined) return
      if (!stopping.signal.aborted) {
        await work(core, batch).catch((thrown: unknown) => {
          delayed.add(batch.id)
          if (!stopping.signal.aborted) {
            log.warn({ batchId: batch.id, stage, error: errorMessage(thrown) }, 'batch-delayed')
          }
        })
      }
      // Done with it, or no longer wanted: cancelled meanwhile, it is the controller's at once.
      if (stopping.signal.aborted || !delayed.has(batch.id)) await store.releaseBatch(batch.id, lease.holder)
      if (stopping.signal.aborted) return
    }
  }

  const sweep = async (): Promise<void> => {
    const { store, files, clock, log } = getCore()
    const dead = await store.findDeadFiles({ abandonedBefore: clock.now() - abandonedMs, limit: sweepLimit })
    for (const id of dead) {
      stopping.signal.throwIfAborted()
      await files.remove(id)
    }
    await store.forgetFiles(dead)
    if (dead.length > 0) log.info({ count: dead.length }, 'files-removed')
  }

  const repeat = async (what: string, intervalMs: () => number, turn: () => Promise<void>): Promise<void> => {
    const { clock, log } = getCore()
    while (!stopping.signal.aborted) {
      const woken = waking.signal
      await turn().catch((thrown: unknown) => {
        if (!stopping.signal.aborted) log.warn({ what, error: errorMessage(thrown) }, 'batch-desk-failed')
      })
      await clock.sleep(intervalMs(), AbortSignal.any([stopping.signal, woken])).catch((): void => {})
    }
  }

  const service = createService({
    name: 'batch-desk',
    start() {
      const { options } = getCore()
      const { signal } = stopping
      loops = [
        repeat(
          'intake',
          () => options.batchEveryMs,
          () => workOn('intake', (core, batch) => takeIn(core, validation, batch, lease, signal)),
        ),
        repeat(
          'output',
          () => options.batchEveryMs,
          () => workOn('output', (core, batch) => putOut(core, batch, lease, signal)),
        ),
        repeat('sweep', () => options.sweepEveryMs, sweep),
      ]
    },
    async stop() {
      stopping.abort(new Error('the ingress is stopping'))
      await Promise.all(loops)
    },
  })
  return {
    ...service,
    wake() {
      waking.abort()
      waking = new AbortController()
    },
  }
}
