import type { Clock } from '@inferq/runtime'

/**
 * Redis's clock, as well as it can be known here. Deadlines of circuits are told in it, so processes whose own clocks
 * differ agree on them.
 */
export interface SharedTime {
  /** Redis's time (ms since the epoch). */
  nowMs(): number
  /** One of its times by our own clock. */
  toLocal(sharedMs: number): number
  /** Takes what Redis said its time was, somewhere between the two moments of ours. */
  learn(sharedMs: number, sentAt: number, receivedAt: number): void
}

/** A reply that took longer tells too little: half of it is the error. */
const maxRoundTripMs = 250

export function createSharedTime(clock: Pick<Clock, 'now'>): SharedTime {
  let aheadMs: number | undefined
  return {
    nowMs: () => clock.now() + (aheadMs ?? 0),
    toLocal: (sharedMs) => sharedMs - (aheadMs ?? 0),
    learn(sharedMs, sentAt, receivedAt) {
      if (aheadMs !== undefined && receivedAt - sentAt > maxRoundTripMs) return
      aheadMs = Math.round(sharedMs - (sentAt + receivedAt) / 2)
    },
  }
}
