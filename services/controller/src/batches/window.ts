import type { PendingLine } from '@inferq/store'

/** Of what the workers of a class can run at once: the rest stays free for whoever comes. */
const flexShare = 0.75

/**
 * How many more lines may go into the queue of a class. They fill what nobody else uses, up to a share of all slots: a
 * request that is more urgent finds a free one, instead of waiting until an answer of a batch has ended. Where others keep
 * the class busy, one line at a time still has its turn as long as nobody waits.
 * @param capacity jobs that all workers of the class together run at once
 */
export function roomInClass(load: { readonly active: number; readonly waiting: number }, capacity: number): number {
  const { active, waiting } = load
  const room = Math.max(1, Math.floor(capacity * flexShare)) - active - waiting
  if (room > 0) return room
  return waiting === 0 && active < capacity ? 1 : 0
}

/**
 * The lines to look at closer, from the first on: as many as there is room for in the class that their model went to last,
 * and as their requests may take in memory together (one line may always).
 * @param roomOf undefined: it is not known where the model goes
 */
export function takeLines(
  lines: readonly PendingLine[],
  roomOf: (model: string) => number | undefined,
  maxSize: number,
): readonly PendingLine[] {
  const taken: PendingLine[] = []
  const takenOf = new Map<string, number>()
  let size = 0
  for (const line of lines) {
    const before = takenOf.get(line.model) ?? 0
    const room = roomOf(line.model)
    if (room !== undefined && before >= room) continue
    if (taken.length > 0 && size + line.size > maxSize) break
    size += line.size
    takenOf.set(line.model, before + 1)
    taken.push(line)
  }
  return taken
}
