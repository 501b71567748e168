/** BullMQ's priorities: 1 goes first, 0 would overtake all. */
export const lastPlace = 2_097_151
/** Virtual time in one place; jobs of one place go in the order of their arrival. */
const step = 16
/** When the clock is so far from the base, the places that are left have to be numbered anew. */
const rebaseAfter = lastPlace / 2

/** The place in line of a time, counted from the class's base. */
export function placeOf(at: number, base: number): number {
  return Math.min(lastPlace, Math.max(1, 1 + Math.floor((at - base) / step)))
}

/** The base that a class with this clock should have: the old one as long as there is room before it. */
export function baseFor(clock: number, base: number): number {
  return clock - base < rebaseAfter * step ? base : Math.floor(clock / step) * step
}
