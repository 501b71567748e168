import type { Clock } from '@inferq/runtime'

/** Wakes those that wait for room, one by one in their order. */
export interface RoomSignal {
  /** Resolves when there may be room, or after `patienceMs`. */
  wait(patienceMs: number): Promise<void>
  /** There may be room for one. */
  wake(): void
  readonly waiting: number
}

export function createRoomSignal(clock: Clock): RoomSignal {
  const waiting = new Set<() => void>()

  return {
    async wait(patienceMs) {
      const over = new AbortController()
      const room = Promise.withResolvers<void>()
      waiting.add(room.resolve)
      const late = clock.sleep(patienceMs, over.signal).catch((): void => {})
      await Promise.race([room.promise, late])
      over.abort()
      waiting.delete(room.resolve)
    },
    wake() {
      const [first] = waiting
      if (first === undefined) return
      waiting.delete(first)
      first()
    },
    get waiting() {
      return waiting.size
    },
  }
}
