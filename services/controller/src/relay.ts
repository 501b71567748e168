import type { ControllerParts } from './controller.ts'
import type { Requeue } from './requeue-jobs.ts'

const pageSize = 200
/** Longer than a turn: a controller that dies with its claim is replaced by then. */
const leaseMs = 60_000

/** Enqueues jobs whose ingress committed them and was not heard of again. */
export function createRelay({ store, requeue }: Pick<ControllerParts, 'store'> & { readonly requeue: Requeue }) {
  return async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      const specs = await store.claimUnqueued({ limit: pageSize, leaseMs })
      await requeue.relayed(specs)
      await store.markEnqueued(specs.map(({ id }) => id))
      if (specs.length < pageSize || signal.aborted) return
    }
  }
}
