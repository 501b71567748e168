import { type Clock, createPeriodicService, type Deadline, errorMessage, type Log, orAborted } from '@inferq/runtime'
import { createRoomSignal } from '../room-signal.ts'
import { createSlotOffer } from './slot-offer.ts'
import type { Slots } from './slots.ts'
import type { Start, Starts } from './starts.ts'

/** The jobs of a class that are started at this worker without having waited in line. */
export interface DirectLane {
  start(): Promise<void>
  /** Offers nothing any more; resolves when all that was started here has been heard of. */
  quiet(): Promise<void>
  stop(deadline: Deadline): Promise<void>
  /**
   * Makes room for a job that was fetched from the queue: takes back a slot that is offered, or waits for one for up to a
   * second. Gives false where there is none; else `leave` has to be called at its end.
   */
  enter(): Promise<boolean>
  leave(): void
  /** The limit has changed. */
  onLimit(): void
}

export interface DirectLaneOptions {
  readonly class: string
  readonly slots: Slots
  readonly starts: Pick<Starts, 'listen' | 'settled'>
  /** Jobs at once, now. */
  limit(): number
  /**
   * Runs a job that was started here, and sees to where it goes when it does not end. False: it could not, and the job is
   * left to whoever finds its lease run out. Never rejects.
   */
  run(start: Start): Promise<boolean>
  /** Puts a job whose worker was lost into the queue, unless it has ended. */
  recover(jobId: string): Promise<void>
  /** Others have taken a job over that runs here. */
  onLost(jobId: string): void
  /** So many run that were started here: others have to fetch that many less. */
  onOccupied(count: number): void
  readonly renewEveryMs: number
  readonly sweepEveryMs: number
  readonly clock: Clock
  readonly log: Log
}

/** How soon a slot is offered that a fetched job has left: its fetcher looks for the next one first. */
const afterFetchedMs = 10
/** How long a fetched job waits for room here before it goes back: so long, or until another worker is seen to have some. */
const roomPatienceMs = 1_000
const elsewhereLookMs = 100
/** What runs is told to the fetchers this often at most. */
const occupyEveryMs = 50

/**
 * Of the slots of the class, those that are free are offered (`Slots`), and whoever opens a job takes one of them for it in the
 * same step. The queue's jobs go first: each one that waits has a slot kept for it, and one that is fetched takes a slot back.
 * `offered + started + fetched` is never above the limit, but for a moment after the limit was lowered or starts were missed.
 */
export function createDirectLane(options: DirectLaneOptions): DirectLane {
  const { slots, starts, limit, clock, log } = options
  const running = new Map<string, Promise<void>>()
  const roomSignal = createRoomSignal(clock)
  let fetched = 0
  let isOpen = false
  let cancelOccupy: (() => void) | undefined
  let stopListening: (() => void) | undefined

  const offer = createSlotOffer({
    slots,
    free: () => (isOpen ? limit() - fetched - running.size : 0),
    onLine: () => occupy(),
    onTrouble: (error) => log.warn({ class: options.class, error: errorMessage(error) }, 'slots-not-told'),
    clock,
  })
  /** Counts a fetched job in the same turn in which it saw the room. */
  const admit = (): boolean => {
    if (fetched + running.size + offer.count >= limit()) return false
    fetched++
    return true
  }

  const occupy = (): void => {
    cancelOccupy?.()
    cancelOccupy = undefined
    options.onOccupied(running.size)
  }
  const occupyLater = (): void => {
    cancelOccupy ??= clock.after(occupyEveryMs, occupy)
  }

  const onStart = (start: Start): void => {
    const { jobId } = start
    offer.taken()
    occupyLater()
    const run = options.run(start).then((isDone) => {
      running.delete(jobId)
      occupyLater()
      roomSignal.wake()
      if (isDone) offer.release(jobId)
      else offer.update()
    })
    running.set(jobId, run)
  }

  /** False: there is none, or another worker has some. */
  const admitLater = async (): Promise<boolean> => {
    const until = clock.monotonic() + roomPatienceMs
    while (isOpen && limit() > 0 && clock.monotonic() < until) {
      await roomSignal.wait(elsewhereLookMs)
      if (admit()) return true
      if (await slots.areElsewhere().catch(() => true)) return false
    }
    return false
  }

  const renewal = createPeriodicService({
    ...{ name: `leases ${options.class}`, intervalMs: options.renewEveryMs, clock, log },
    async run() {
      const offeredBefore = offer.count
      const { isKnown, lost } = await slots.renew([...running.keys()])
      for (const id of lost) if (running.has(id)) options.onLost(id)
      if (isKnown || offeredBefore === 0) offer.update()
      else offer.restart()
    },
  })

  const sweep = createPeriodicService({
    ...{ name: `lost starts ${options.class}`, intervalMs: options.sweepEveryMs, clock, log },
    async run(signal) {
      for (const jobId of await slots.expired()) {
        signal.throwIfAborted()
        // This process was frozen, and nobody has taken it over yet: its lease is renewed.
        if (running.has(jobId)) continue
        await options.recover(jobId)
        // In the queue first: cut short in between, it is done again, and changes nothing.
        await slots.forget([jobId])
      }
    },
  })

  return {
    async start() {
      isOpen = true
      stopListening = starts.listen(options.class, { onStart, onGap: offer.restart })
      await renewal.start()
      await sweep.start()
    },
    async quiet() {
      isOpen = false
      await offer.withdraw()
      await starts.settled()
    },
    async stop(deadline) {
      cancelOccupy?.()
      await sweep.stop(deadline)
      await orAborted(Promise.all(running.values()), deadline.signal).catch((): void => {})
      await renewal.stop(deadline)
      await offer.stop()
      stopListening?.()
    },
    async enter() {
      if (admit()) return true
      await offer.takeBack()
      if (admit()) return true
      occupy()
      return admitLater()
    },
    leave() {
      fetched--
      roomSignal.wake()
      offer.update(afterFetchedMs)
    },
    onLimit() {
      occupy()
      offer.update()
    },
  }
}
