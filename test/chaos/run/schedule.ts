import type { Fault } from '../faults/fault.ts'
import { between, createRandom, shuffle } from './random.ts'
import type { Scheduled } from './run.ts'

/** What a schedule needs to know of a fault. */
export type Schedulable = Pick<Fault, 'name' | 'room' | 'lastsMs' | 'minRunMs'>

export interface ScheduleOptions {
  readonly faults: readonly Schedulable[]
  readonly seed: number
  /** Of the whole run. */
  readonly durationMs: number
}

/** The load alone, before the first fault. */
export const warmUpMs = 3_000
/** And after the last one was healed: time for everything to come back. */
export const quietEndMs = 15_000
/** Between the end of one fault and the next one. */
const pauseMs = [2_000, 6_000] as const
/** How often another fault, of another room, comes on top of one. */
const overlapShare = 0.3

/**
 * Draws which faults come when: mostly one at a time, at times two of different rooms at once, and nothing at the end. The
 * faults come in shuffled rounds, so that each comes once before any comes twice. Sorted by time. Pure.
 */
export function drawSchedule({ faults, seed, durationMs }: ScheduleOptions): readonly Scheduled[] {
  const random = createRandom(seed)
  const possible = faults.filter(({ minRunMs = 0 }) => durationMs >= minRunMs)
  const endMs = durationMs - quietEndMs
  const rounds = createRounds(possible, random)
  const schedule: Scheduled[] = []
  let atMs = warmUpMs
  for (;;) {
    const fault = rounds.take((one) => atMs + one.lastsMs[0] <= endMs)
    if (fault === undefined) return schedule
    const first = drawnAt(fault, atMs, endMs, random)
    schedule.push(first)
    let overMs = first.atMs + first.lastsMs
    if (random() < overlapShare && first.lastsMs > 0) {
      const startMs = first.atMs + Math.floor(random() * first.lastsMs)
      const other = rounds.take((one) => one.room !== fault.room && startMs + one.lastsMs[0] <= endMs)
      if (other !== undefined) {
        const second = drawnAt(other, startMs, endMs, random)
        schedule.push(second)
        overMs = Math.max(overMs, second.atMs + second.lastsMs)
      }
    }
    atMs = overMs + between(random, pauseMs)
  }
}

interface Rounds {
  /** The next fault of this round that fits; when none of it does, of the next one. Undefined when none fits at all. */
  take(fits: (fault: Schedulable) => boolean): Schedulable | undefined
}

/** A fault that does not fit now stays for later: a round is over when all of it has come. */
function createRounds(faults: readonly Schedulable[], random: () => number): Rounds {
  let left = shuffle(random, faults)
  let following = shuffle(random, faults)
  const takeFrom = (round: Schedulable[], fits: (fault: Schedulable) => boolean): Schedulable | undefined => {
    const place = round.findIndex(fits)
    return place === -1 ? undefined : round.splice(place, 1)[0]
  }
  return {
    take(fits) {
      const fault = takeFrom(left, fits) ?? takeFrom(following, fits)
      if (left.length === 0) {
        left = following
        following = shuffle(random, faults)
      }
      return fault
    },
  }
}

function drawnAt(
  { name, lastsMs: [min, max] }: Schedulable,
  atMs: number,
  endMs: number,
  random: () => number,
): Scheduled {
  return { fault: name, atMs, lastsMs: between(random, [min, Math.min(max, endMs - atMs)]) }
}
