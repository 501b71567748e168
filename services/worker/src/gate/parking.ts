import type { Clock } from '@inferq/runtime'
import { orAborted } from '@inferq/runtime'

/**
 * Where calls wait that a deployment had no room for, until one that it did have room for has ended. They keep the slots that
 * they have on this worker, so there are never more of them than the worker's limit.
 */
export interface Parking {
  /** A call begins. The result is to be called once, when it is over: whether it was refused for want of room. */
  enter(deployment: string): (refused: boolean) => void
  /**
   * True as soon as a call of that deployment has made room; false after `timeoutMs`, and when none is under way that could.
   * First come, first served. Rejects with the signal's reason.
   */
  wait(
    place: { readonly deployment: string; readonly class: string },
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean>
  /** Jobs of a class that wait here. */
  parked(modelClass: string): number
}

interface Place {
  calls: number
  readonly waiting: Set<(room: boolean) => void>
}

export function createParking(clock: Clock): Parking {
  const places = new Map<string, Place>()
  const parked = new Map<string, number>()

  const settle = (deployment: string, place: Place, room: boolean): void => {
    const [next] = place.waiting
    if (room) next?.(true)
    if (place.calls > 0) return
    places.delete(deployment)
    for (const wake of place.waiting) wake(false)
  }

  return {
    enter(deployment) {
      const place = places.get(deployment) ?? { calls: 0, waiting: new Set() }
      places.set(deployment, place)
      place.calls++
      return (refused) => {
        place.calls--
        settle(deployment, place, !refused)
      }
    },
    async wait({ deployment, class: modelClass }, timeoutMs, signal) {
      const place = places.get(deployment)
      if (place === undefined) return false
      const room = Promise.withResolvers<boolean>()
      const cut = new AbortController()
      clock.sleep(timeoutMs, cut.signal).then(
        () => room.resolve(false),
        () => {},
      )
      const wake = (made: boolean): void => {
        place.waiting.delete(wake)
        room.resolve(made)
      }
      place.waiting.add(wake)
      parked.set(modelClass, (parked.get(modelClass) ?? 0) + 1)
      try {
        return await orAborted(room.promise, signal)
      } finally {
        cut.abort()
        place.waiting.delete(wake)
        parked.set(modelClass, (parked.get(modelClass) ?? 1) - 1)
      }
    },
    parked: (modelClass) => parked.get(modelClass) ?? 0,
  }
}
