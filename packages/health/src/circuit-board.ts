import type { CircuitNews, CircuitRecord, CircuitsSnapshot } from './circuit-record.ts'

/**
 * What is known of the circuits in Redis, from three sources that overtake each other: replies to our own scripts,
 * published changes, and the whole read again now and then. The higher version wins.
 */
export interface CircuitBoard {
  /** Undefined: closed, no failure known. */
  get(id: string): CircuitRecord | undefined
  entries(): Iterable<readonly [string, CircuitRecord]>
  /** The latest version heard of. */
  version(): number
  apply(news: CircuitNews): void
  /** Takes a snapshot that was asked for when `version()` was `askedAt`. */
  replace(snapshot: CircuitsSnapshot, askedAt: number): void
}

export function createCircuitBoard(): CircuitBoard {
  let floor = 0
  let latest = 0
  /** One without a circuit stands for a closed one, until a snapshot says the same. */
  let known = new Map<string, CircuitNews>()

  return {
    get: (id) => known.get(id)?.circuit,
    *entries() {
      for (const { id, circuit } of known.values()) if (circuit !== undefined) yield [id, circuit] as const
    },
    version: () => latest,
    apply(news) {
      if (news.version < Math.max(floor, known.get(news.id)?.version ?? 0)) return
      latest = Math.max(latest, news.version)
      if (news.circuit !== undefined || news.version > floor) known.set(news.id, news)
      else known.delete(news.id)
    },
    replace(snapshot, askedAt) {
      // A Redis that has lost its data, or stands in for another, counts anew.
      const isSameHistory = snapshot.version >= askedAt
      const newer = isSameHistory ? [...known.values()].filter(({ version }) => version > snapshot.version) : []
      known = new Map([...snapshot.circuits, ...newer].map((news) => [news.id, news]))
      floor = snapshot.version
      latest = isSameHistory ? Math.max(latest, floor) : floor
    },
  }
}
