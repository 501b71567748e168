/** What is known of a backend's memory. */
export interface BackendMemory {
  /** These models are loaded. `nowMs`: of a clock that never goes back. */
  observe(names: readonly string[], nowMs: number): void
  readonly loaded: ReadonlySet<string>
  /** Together they are no more than are allowed; where nobody has said how many: they were seen loaded together lately. */
  fits(names: readonly string[]): boolean
}

/** Others may have taken of the memory since. */
const believedMs = 10 * 60_000

interface Sight {
  readonly names: ReadonlySet<string>
  readonly atMs: number
}

/** @param mostLoaded how many models it can hold; undefined: what was seen is what fits. */
export function createBackendMemory(mostLoaded: number | undefined): BackendMemory {
  let loaded: ReadonlySet<string> = new Set()
  /** None of them within another that is as fresh. */
  let sights: readonly Sight[] = []

  return {
    observe(names, nowMs) {
      loaded = new Set(names)
      const kept = sights.filter((sight) => nowMs - sight.atMs < believedMs && !isWithin(sight.names, loaded))
      sights = [...kept, { names: loaded, atMs: nowMs }]
    },
    get loaded() {
      return loaded
    },
    fits(names) {
      if (names.length <= (mostLoaded ?? 1)) return true
      return mostLoaded === undefined && sights.some((sight) => isWithin(names, sight.names))
    },
  }
}

function isWithin(names: Iterable<string>, others: ReadonlySet<string>): boolean {
  for (const name of names) if (!others.has(name)) return false
  return true
}
