import { type Clock, createService, errorMessage, type Log, orAborted, type Service } from '@inferq/runtime'
import type { Store, WebhookDelivery } from '@inferq/store'

export interface DispatcherParts {
  readonly store: Pick<Store, 'claimDeliveries'>
  readonly deliver: (delivery: WebhookDelivery, stop: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly log: Log
  readonly limits: DispatcherLimits
  /** For how long a claimed delivery is nobody else's: longer than an attempt takes. */
  leaseMs(): number
}

export interface DispatcherLimits {
  /** Between two looks for what is due, where nobody gives a sign. */
  readonly pollMs: number
  /** Attempts of this process at once. */
  readonly concurrency: number
  /** Of those, to one host. */
  readonly perHost: number
}

export interface Dispatcher extends Service {
  /** Something may be due now. */
  wake(): void
}

/**
 * Takes what is due, as much as there is room for, and has it delivered. What is claimed is under way at once: nothing waits
 * in memory. Stopped, it lets attempts end until the deadline; those it cuts off are made again when their leases are over.
 */
export function createDispatcher(parts: DispatcherParts): Dispatcher {
  const { store, deliver, clock, log, limits, leaseMs } = parts
  const quiet = new AbortController()
  const stopping = new AbortController()
  const running = new Set<Promise<void>>()
  const busy = new Map<string, number>()
  let isDue = false
  let wakeSleeper = (): void => {}
  let loop: Promise<void> = Promise.resolve()

  const wake = (): void => {
    isDue = true
    wakeSleeper()
  }

  const launch = (delivery: WebhookDelivery): void => {
    const { host } = delivery
    busy.set(host, (busy.get(host) ?? 0) + 1)
    const attempt = deliver(delivery, stopping.signal)
      .catch((thrown: unknown) => {
        // Not recorded: its lease brings it back.
        log.warn({ deliveryId: delivery.id, error: errorMessage(thrown) }, 'webhook-attempt-lost')
      })
      .finally(() => {
        const count = busy.get(host) ?? 0
        const wasFull = count >= limits.perHost || running.size >= limits.concurrency
        if (count > 1) busy.set(host, count - 1)
        else busy.delete(host)
        running.delete(attempt)
        if (wasFull) wake()
      })
    running.add(attempt)
  }

  const claim = async (): Promise<void> => {
    const room = limits.concurrency - running.size
    if (room <= 0) return
    const claimed = await store.claimDeliveries({
      ...{ limit: room, perHost: limits.perHost, busy, leaseMs: leaseMs() },
    })
    for (const delivery of claimed) launch(delivery)
    // As many as were asked for: there may be more as soon as there is room.
    if (claimed.length > 0 && running.size < limits.concurrency) isDue = true
  }

  const pause = async (): Promise<void> => {
    if (isDue || quiet.signal.aborted) return
    const sleeping = new AbortController()
    wakeSleeper = () => sleeping.abort()
    await clock.sleep(limits.pollMs, AbortSignal.any([sleeping.signal, quiet.signal])).catch((): void => {})
    wakeSleeper = () => {}
  }

  const repeat = async (): Promise<void> => {
    while (!quiet.signal.aborted) {
      isDue = false
      try {
        await claim()
      } catch (thrown) {
        log.warn({ error: errorMessage(thrown) }, 'webhook-claim-failed')
      }
      await pause()
    }
  }

  const service = createService({
    name: 'webhooks',
    start() {
      loop = repeat()
    },
    quiet: () => quiet.abort(),
    async stop(deadline) {
      quiet.abort()
      await orAborted(loop, deadline.signal).catch((): void => {})
      const ended = Promise.all(running)
      await orAborted(ended, deadline.signal).catch((): void => {})
      stopping.abort(new Error('the controller is stopping'))
      await ended
    },
  })
  return { ...service, wake }
}
