/** Where a job may be started without waiting in line: keys of Redis, and what the worker is told. */
export interface StartPlace {
  /** Sorted set: workers by the number of slots they offer. */
  readonly slots: string
  /** Sorted set: jobs that were started so, by when they are taken for lost (ms). */
  readonly leases: string
  /** A list and a sorted set of those who wait in line: each of them has a slot kept for it. */
  readonly line: readonly [string, string]
  /** Of the channel of a worker, before its id. */
  readonly channels: string
  /** Of the key that says a worker is alive, and how long its leases are, before its id. */
  readonly alive: string
  /** What the worker is told in front of the specification, a line. Of a long specification it is told nothing else. */
  readonly head: string
  /** It seeks a worker that has served the turn before: where there are several, they settle that among themselves. */
  readonly isParticular: boolean
}
