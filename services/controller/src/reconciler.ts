import type { JobRecord } from '@inferq/contracts'
import { referenceTo } from '@inferq/queue'
import type { ControllerParts } from './controller.ts'
import type { OutcomeGate } from './outcome-gate.ts'
import type { Requeue } from './requeue-jobs.ts'

export interface Reconciler {
  /** One page of the jobs that have not ended, round and round; a whole pass when Redis is in doubt, as at the start. */
  turn(signal: AbortSignal): Promise<void>
  /** Redis was away, or came back without what it held: look at everything, at once. */
  doubt(): void
}

const pageSize = 500
const gateTimeoutMs = 10_000
/** While Redis is not in doubt, a job is not either for so long after it was enqueued. */
const trustMs = 30_000

/**
 * Brings back jobs that Postgres has as enqueued and not ended, and that Redis lost: the job whole (Redis was wiped), or
 * its place in the queue alone (Redis crashed, and its last second was not on disk yet).
 */
export function createReconciler(
  parts: Pick<ControllerParts, 'store' | 'tokenLog' | 'queue' | 'log'> & {
    readonly requeue: Requeue
    readonly gate: OutcomeGate
  },
): Reconciler {
  const { store, tokenLog, queue, log, requeue, gate } = parts
  let inDoubt = true
  let pass = { whole: false, after: '' }

  /** Lost, unless Postgres has learnt in the meantime that they ended. */
  const bringBack = async (jobIds: readonly string[], signal: AbortSignal): Promise<boolean> => {
    if (jobIds.length === 0) return true
    if (!(await gate.passed(gateTimeoutMs, signal))) {
      log.warn({ count: jobIds.length }, 'reconcile-waits-for-outcomes')
      return false
    }
    const lost = await store.claimLost(jobIds)
    await requeue.lost(lost)
    await store.markRequeued(lost.map(({ spec }) => spec.id))
    return true
  }

  /** A waiting job is added again under its own id, which does nothing where it is still there. */
  const ensureQueued = async (record: JobRecord): Promise<void> => {
    const { spec, hop, status } = record
    if (status !== 'queued') return
    await queue.enqueue(referenceTo(spec, hop))
  }

  /** Gives where the next page starts: after '' when this was the last one. */
  const reconcilePage = async (
    { whole, after }: { readonly whole: boolean; readonly after: string },
    signal: AbortSignal,
  ): Promise<string> => {
    const jobIds = await store.findOpen({ after, limit: pageSize, enqueuedForMs: whole ? 0 : trustMs })
    const statuses = await tokenLog.statuses(jobIds)
    const unknown = jobIds.filter((_, index) => statuses[index] === null)
    if (!(await bringBack(unknown, signal))) return after
    for (const jobId of whole ? jobIds.filter((_, index) => statuses[index] === 'queued') : []) {
      signal.throwIfAborted()
      const record = await tokenLog.record(jobId)
      if (record !== null) await ensureQueued(record)
    }
    return jobIds.length < pageSize ? '' : (jobIds.at(-1) ?? '')
  }

  return {
    async turn(signal) {
      do {
        if (inDoubt) {
          inDoubt = false
          pass = { whole: true, after: '' }
        }
        const after = await reconcilePage(pass, signal)
        pass = { whole: pass.whole && after !== '', after }
      } while (pass.whole && !signal.aborted)
    },
    doubt() {
      inDoubt = true
    },
  }
}
