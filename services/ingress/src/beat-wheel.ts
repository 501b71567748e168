import type { Clock } from '@inferq/runtime'

/** Somebody who wants to be called every interval. `slot` belongs to the wheel. */
export interface Beating {
  beat(): void
  slot?: Set<Beating> | undefined
}

export interface BeatWheel {
  /** The first beat comes one interval from now. */
  add(member: Beating): void
  /** Does nothing for one that is not in it. */
  remove(member: Beating): void
  /** Ends the timer; later beats do not happen. */
  stop(): void
}

/** Members called between two turns of the event loop: 10,000 heartbeats in one turn would stall every stream by 0.1 s. */
const batchSize = 100

/**
 * One timer for any number of members: each lies in one of `slots` sets, and every tick calls the next set. Costs a
 * member one set entry, no timer and no closure; the timer runs only while somebody is in the wheel.
 */
export function createBeatWheel(options: {
  readonly clock: Clock
  readonly intervalMs: number
  readonly slots?: number
}): BeatWheel {
  const { clock, intervalMs, slots: slotCount = 60 } = options
  const slots = Array.from({ length: slotCount }, () => new Set<Beating>())
  let current = 0
  let size = 0
  let cancel: (() => void) | undefined
  let stopped = false

  const arm = (): void => {
    if (cancel === undefined && size > 0 && !stopped) cancel = clock.after(intervalMs / slotCount, tick)
  }

  const tick = (): void => {
    cancel = undefined
    current = (current + 1) % slotCount
    const slot = slots[current]
    if (slot !== undefined && slot.size > 0) callFrom([...slot], 0, slot)
    arm()
  }

  const callFrom = (members: readonly Beating[], start: number, slot: Set<Beating>): void => {
    if (stopped) return
    const end = Math.min(start + batchSize, members.length)
    for (const member of members.slice(start, end)) if (slot.has(member)) member.beat()
    if (end < members.length) setImmediate(callFrom, members, end, slot)
  }

  return {
    add(member) {
      if (member.slot !== undefined) return
      const slot = slots[current]
      if (slot === undefined) return
      slot.add(member)
      member.slot = slot
      size++
      arm()
    },
    remove(member) {
      if (member.slot === undefined) return
      if (member.slot.delete(member)) size--
      member.slot = undefined
    },
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
