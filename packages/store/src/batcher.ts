import { InferqError } from '@inferq/contracts'
import type { Clock } from '@inferq/runtime'

export interface BatcherOptions<Item> {
  /** Items of one run, and their bytes, counted over whole calls: a call is never split. */
  readonly maxItems: number
  readonly maxBytes: number
  /** Items that may wait; beyond it a call is refused with `service_unavailable`. */
  readonly maxWaiting: number
  readonly clock: Clock
  bytesOf(item: Item): number
  /** How long so many bytes may take: a run with them, and a call with them and those before it. */
  timeoutMs(bytes: number): number
  /** Takes the items of one or more calls, all or none. */
  run(items: readonly Item[], timeoutMs: number): Promise<void>
  /** The values were at fault, not the database: the calls of the batch are then tried by halves. */
  isItemFault(thrown: unknown): boolean
}

export interface Batcher<Item> {
  /**
   * Resolves when a run that held these items has succeeded. Rejects with `service_unavailable` when the time is up: a call that
   * still waits is then forgotten, of one that runs nobody knows.
   */
  add(items: readonly Item[]): Promise<void>
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>
}

interface Call<Item> {
  readonly items: readonly Item[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: the first call runs at the end of the turn; those that come while it runs share the next one. So a lone
 * call waits for nobody, and under load one commit serves many.
 */
export function createBatcher<Item>(options: BatcherOptions<Item>): Batcher<Item> {
  const { maxItems, maxBytes, maxWaiting, clock, bytesOf, timeoutMs, run, isItemFault } = options
  let waiting: Call<Item>[] = []
  let waitingItems = 0
  /** Of those that wait and those that run. */
  let bytesAhead = 0
  let running: Promise<void> | undefined

  const takeBatch = (): Call<Item>[] => {
    let count = 0
    let size = 0
    let bytes = 0
    for (const call of waiting) {
      if (count > 0 && (size + call.items.length > maxItems || bytes + call.bytes > maxBytes)) break
      size += call.items.length
      bytes += call.bytes
      count++
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    waitingItems -= size
    return batch
  }

  const forget = (call: Call<Item>): void => {
    const place = waiting.indexOf(call)
    if (place < 0) return
    waiting.splice(place, 1)
    waitingItems -= call.items.length
    bytesAhead -= call.bytes
  }

  const settle = async (calls: readonly Call<Item>[]): Promise<void> => {
    try {
      const items = calls.flatMap((call) => call.items)
      await run(items, timeoutMs(bytesOfCalls(calls)))
      for (const call of calls) call.resolve()
    } catch (thrown) {
      if (calls.length === 1 || !isItemFault(thrown)) {
        for (const call of calls) call.reject(thrown)
        return
      }
      const half = calls.length >> 1
      await settle(calls.slice(0, half))
      await settle(calls.slice(half))
    }
  }

  const drain = async (): Promise<void> => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const batch = takeBatch()
      await settle(batch)
      bytesAhead -= bytesOfCalls(batch)
    }
    running = undefined
  }

  const wait = async (items: readonly Item[], bytes: number): Promise<void> => {
    let cancel = (): void => {}
    const done = new Promise<void>((resolve, reject) => {
      const call = { items, bytes, resolve, reject }
      waiting.push(call)
      cancel = clock.after(timeoutMs(bytesAhead), () => {
        forget(call)
        reject(unavailable('The database does not answer.'))
      })
    })
    running ??= drain()
    await done.finally(cancel)
  }

  return {
    async add(items) {
      if (items.length === 0) return
      if (waitingItems + items.length > maxWaiting && waiting.length > 0) {
        throw unavailable('Too many jobs are waiting for the database.')
      }
      const bytes = items.reduce((sum, item) => sum + bytesOf(item), 0)
      waitingItems += items.length
      bytesAhead += bytes
      await wait(items, bytes)
    },
    async idle() {
      while (running !== undefined) await running
    },
  }
}

function bytesOfCalls(calls: readonly Call<unknown>[]): number {
  return calls.reduce((sum, { bytes }) => sum + bytes, 0)
}

function unavailable(message: string): InferqError {
  return new InferqError({ code: 'service_unavailable', message, retryAfterSeconds: 1 })
}
