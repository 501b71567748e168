import type { Faults } from './protocol.ts'

/** More kinds than this are counted together, so that a message with an id in it cannot grow without end. */
const mostKinds = 20

/** Counts what goes wrong, by what it is. */
export interface FaultCounter {
  add(fault: string): void
  counts(): Faults
}

export function createFaultCounter(): FaultCounter {
  const counts = new Map<string, number>()
  return {
    add(fault) {
      const kind = counts.has(fault) || counts.size < mostKinds ? fault : 'other faults'
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
    },
    counts: () => Object.fromEntries(counts),
  }
}

/** Both counts together. */
export function addFaults(one: Faults, other: Faults): Faults {
  const sum: Record<string, number> = { ...one }
  for (const [fault, count] of Object.entries(other)) sum[fault] = (sum[fault] ?? 0) + count
  return sum
}
