import type { Clock } from '@inferq/runtime'
import type { Slots } from './slots.ts'

/** How many slots this worker offers for a class, kept in step with how many are free. */
export interface SlotOffer {
  /** As far as is known here: what was given away a moment ago is still among them. */
  readonly count: number
  /** One of them was given away. */
  taken(): void
  /** Takes one back, if it was not given away yet. Never rejects. */
  takeBack(): Promise<void>
  /** What is free has changed, or will soon. */
  update(delayMs?: number): void
  /** The lease of this job is over. */
  release(jobId: string): void
  /** What is offered is not known any more: it is withdrawn, and offered anew. */
  restart(): void
  /** Offers nothing from now on. Resolves when that is so, or could not be told. */
  withdraw(): Promise<void>
  /** Resolves when all was told that can be; tells nothing afterwards. */
  stop(): Promise<void>
}

export interface SlotOfferOptions {
  readonly slots: Pick<Slots, 'change' | 'clear'>
  /** Slots that are free, those that are offered among them. Below 0: more run than may. */
  free(): number
  /** Others wait in line, and were kept slots. */
  onLine(): void
  onTrouble(error: unknown): void
  readonly clock: Clock
}

/** The slots of those in line are left to be fetched; looked at again after this long. */
const lineLookMs = 50
const troubleDelayMs = 1_000

/** One report to Redis at a time; what changes meanwhile goes into the next one. */
export function createSlotOffer({ slots, free, onLine, onTrouble, clock }: SlotOfferOptions): SlotOffer {
  let count = 0
  let ended: string[] = []
  let isUnsure = true
  let isOpen = true
  let telling: Promise<void> | undefined
  let immediate: NodeJS.Immediate | undefined
  let cancelTimer: (() => void) | undefined
  /** Monotonic ms. */
  let lineUntil = Number.NEGATIVE_INFINITY

  const update = (delayMs = 0): void => {
    if (delayMs === 0) {
      if (telling === undefined) immediate ??= setImmediate(tell)
      return
    }
    cancelTimer ??= clock.after(delayMs, () => {
      cancelTimer = undefined
      update()
    })
  }

  const tell = (): void => {
    immediate = undefined
    telling = report()
      .then(
        () => true,
        (error: unknown) => {
          isUnsure = true
          onTrouble(error)
          return false
        },
      )
      .then((isTold) => {
        telling = undefined
        if (!isTold) update(troubleDelayMs)
        else if (isUnsure || ended.length > 0 || wanted() > 0) update()
      })
  }

  const restart = (): void => {
    isUnsure = true
    count = 0
    update()
  }

  /** By how much the offer should change now. */
  const wanted = (): number => {
    if (!isOpen) return -count
    const change = Math.max(free() - count, -count)
    return change > 0 && clock.monotonic() < lineUntil ? 0 : change
  }

  const report = async (): Promise<void> => {
    if (isUnsure) {
      await slots.clear()
      isUnsure = false
      count = 0
    }
    const change = wanted()
    if (change === 0 && ended.length === 0) return
    const gone = ended
    ended = []
    // Counted before they can be given away.
    if (change > 0) count += change
    let changed: number | null
    try {
      changed = await slots.change(change, gone)
    } catch (thrown) {
      ended.push(...gone)
      throw thrown
    }
    if (changed === null) return restart()
    count += change > 0 ? changed - change : changed
    if (changed < change) {
      lineUntil = clock.monotonic() + lineLookMs
      onLine()
      update(lineLookMs)
    }
  }

  return {
    get count() {
      return count
    },
    taken() {
      count = Math.max(0, count - 1)
    },
    async takeBack() {
      if (count === 0) return
      const changed = await slots.change(-1, []).catch((): number => 0)
      if (changed === null) restart()
      else count = Math.max(0, count + changed)
    },
    update,
    release(jobId) {
      ended.push(jobId)
      update()
    },
    restart,
    async withdraw() {
      isOpen = false
      isUnsure = true
      while (telling !== undefined) await telling
      tell()
      await telling
    },
    async stop() {
      while (telling !== undefined) await telling
      if (ended.length > 0) tell()
      await telling
      cancelTimer?.()
      clearImmediate(immediate)
    },
  }
}
