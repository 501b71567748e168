import { InferqError } from '@inferq/contracts'

export interface BatcherOptions<Item> {
  /** Items of one run, counted over whole calls: a call is never split. */
  readonly maxItems: number
  /** Items that may wait; beyond it a call is refused with `service_unavailable`. */
  readonly maxWaiting: number
  /** Takes the items of one or more calls, all or none. */
  run(items: readonly Item[]): Promise<void>
  /** The values were at fault, not the database: the calls of the batch are then tried by halves. */
  isItemFault(thrown: unknown): boolean
}

export interface Batcher<Item> {
  /** Resolves when a run that held these items has succeeded. */
  add(items: readonly Item[]): Promise<void>
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>
}

interface Call<Item> {
  readonly items: readonly Item[]
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: the first call runs at the end of the turn; those that come while it runs share the next one. So a lone
 * call waits for nobody, and under load one commit serves many.
 */
export function createBatcher<Item>(options: BatcherOptions<Item>): Batcher<Item> {
  const { maxItems, maxWaiting, run, isItemFault } = options
  let waiting: Call<Item>[] = []
  let waitingItems = 0
  let running: Promise<void> | undefined

  const takeBatch = (): Call<Item>[] => {
    let count = 0
    let size = 0
    for (const call of waiting) {
      if (count > 0 && size + call.items.length > maxItems) break
      size += call.items.length
      count++
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    waitingItems -= size
    return batch
  }

  const settle = async (calls: readonly Call<Item>[]): Promise<void> => {
    try {
      await run(calls.flatMap((call) => call.items))
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
    while (waiting.length > 0) await settle(takeBatch())
    running = undefined
  }

  return {
    async add(items) {
      if (items.length === 0) return
      if (waitingItems + items.length > maxWaiting && waiting.length > 0) {
        throw new InferqError({
          code: 'service_unavailable',
          message: 'Too many jobs are waiting for the database.',
          retryAfterSeconds: 1,
        })
      }
      waitingItems += items.length
      const done = new Promise<void>((resolve, reject) => {
        waiting.push({ items, resolve, reject })
      })
      running ??= drain()
      await done
    },
    async idle() {
      while (running !== undefined) await running
    },
  }
}
