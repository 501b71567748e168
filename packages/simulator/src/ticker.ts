/** Something that wants to run at a moment of the monotonic clock. Belongs to one ticker at a time. */
export interface Timed {
  /** When it is due, in milliseconds of `performance.now()`. Written by the ticker. */
  at: number
  /** Its place in the ticker's heap, -1 while it waits for nothing. Written by the ticker. */
  slot: number
  due(nowMs: number): void
}

// A timer may fire up to half a millisecond early against the monotonic clock; that counts as due.
const toleranceMs = 0.5

/**
 * One timer for every waiting stream: a binary heap ordered by due time. 500 streams at 50 tokens/s cost at most
 * 1,000 timer calls a second instead of 25,000, and nothing is armed while nothing waits.
 */
export class Ticker {
  readonly #heap: Timed[] = []
  #timer: NodeJS.Timeout | undefined
  #armedFor = Number.POSITIVE_INFINITY

  get waiting(): number {
    return this.#heap.length
  }

  /** Runs `item.due` once at `at` (now, if that has passed); a second call moves it. */
  schedule(item: Timed, at: number): void {
    if (item.slot >= 0) this.cancel(item)
    item.at = at
    this.#heap.push(item)
    this.#up(this.#heap.length - 1, item)
    if (at < this.#armedFor - toleranceMs) this.#arm(at)
  }

  cancel(item: Timed): void {
    const { slot } = item
    if (slot < 0) return
    item.slot = -1
    const last = this.#heap.pop()
    if (last === undefined || last === item) return
    this.#up(slot, last)
    if (last.slot === slot) this.#down(slot, last)
  }

  /** Forgets everything that waits. */
  clear(): void {
    for (const item of this.#heap) item.slot = -1
    this.#heap.length = 0
    clearTimeout(this.#timer)
    this.#armedFor = Number.POSITIVE_INFINITY
  }

  #arm(at: number): void {
    clearTimeout(this.#timer)
    this.#armedFor = at
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.round(at - performance.now())))
  }

  #tick(): void {
    // What becomes due while this runs waits for the next tick, so that sockets are served in between.
    this.#armedFor = Number.NEGATIVE_INFINITY
    const now = performance.now()
    let item = this.#heap[0]
    while (item !== undefined && item.at <= now + toleranceMs) {
      this.cancel(item)
      item.due(now)
      item = this.#heap[0]
    }
    this.#armedFor = Number.POSITIVE_INFINITY
    if (item !== undefined) this.#arm(item.at)
  }

  #up(from: number, item: Timed): void {
    let slot = from
    while (slot > 0) {
      const parentSlot = (slot - 1) >> 1
      const parent = this.#heap[parentSlot] as Timed
      if (parent.at <= item.at) break
      this.#heap[slot] = parent
      parent.slot = slot
      slot = parentSlot
    }
    this.#heap[slot] = item
    item.slot = slot
  }

  #down(from: number, item: Timed): void {
    let slot = from
    for (;;) {
      let childSlot = slot * 2 + 1
      let child = this.#heap[childSlot]
      const right = this.#heap[childSlot + 1]
      if (child !== undefined && right !== undefined && right.at < child.at) {
        child = right
        childSlot += 1
      }
      if (child === undefined || child.at >= item.at) break
      this.#heap[slot] = child
      child.slot = slot
      slot = childSlot
    }
    this.#heap[slot] = item
    item.slot = slot
  }
}
