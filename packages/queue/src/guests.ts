import type { Clock, Log } from '@inferq/runtime'
import type { Fetcher, GuestPlace } from './fetcher.ts'
import type { Handover, HandoverOffer } from './handover.ts'
import { createRoomSignal } from './room-signal.ts'

export interface GuestsOptions {
  readonly handover: Pick<Handover, 'claim' | 'spillMs'>
  readonly lockMs: number
  /** Key of a job's lock. */
  lockKey(bullId: string): string
  /** Those that a job may be given to; with no share of the jobs at once, none is. */
  fetchers(): readonly Fetcher[]
  /** Jobs at once, now; 0: none may begin. */
  limit(): number
  /** Jobs that run here. One that is on offer does not: its place is a guest's, or two workers would wait for each other. */
  running(): number
  readonly clock: Clock
  readonly log: Log
}

/** The jobs of a class that other workers hand over to this one. */
export interface Guests {
  /** As an OfferTaker of handover.ts. */
  take(offer: HandoverOffer, taken: () => void): Promise<boolean>
  /** A guest has come to run, and is counted among those that do. */
  onBegun(bullId: string): void
  /** A job has ended here. */
  onRoom(): void
  /** Guests have the last places, so that a job that was fetched in spite of them, or comes back from an offer, has to go back. */
  isFull(): boolean
}

/** Of the places, those that guests may wait for at once. */
const waitingShare = 0.25

/**
 * A place is kept for a guest before it is claimed, so that the next job of the queue does not get it; when nothing runs there
 * in time, the offer has lapsed and the place is the queue's again.
 */
export function createGuests(options: GuestsOptions): Guests {
  const { handover, fetchers, limit, running, clock, log } = options
  const roomSignal = createRoomSignal(clock)
  /** Guests that have a place and do not run yet. */
  const arriving = new Set<string>()
  let kept = 0

  const hasRoom = (): boolean => running() + arriving.size < limit()

  /** Counts the guest as arriving in the same turn in which it saw the room: others look for room as well. */
  const enter = (bullId: string): boolean => {
    if (!hasRoom()) return false
    arriving.add(bullId)
    return true
  }

  const enterInTime = async (bullId: string): Promise<boolean> => {
    if (enter(bullId)) return true
    await roomSignal.wait(handover.spillMs)
    return enter(bullId)
  }

  /** One that fetches nothing looks for no lost jobs either: where there are others, that one always has a place of its own. */
  const isOpen = ({ jobsAtOnce, places, looksForStalled }: Fetcher): boolean =>
    jobsAtOnce > 0 && (places > 1 || !looksForStalled || fetchers().length === 1)

  const roomiest = (): Fetcher | undefined =>
    fetchers()
      .filter(isOpen)
      .sort((a, b) => b.places - a.places)[0]

  const release = (place: GuestPlace): void => {
    kept--
    place.release()
  }

  const run = async (place: GuestPlace, bullId: string): Promise<void> => {
    try {
      await place.run(bullId)
    } catch (error) {
      // Its lock expires, and it is delivered again.
      log.warn({ error }, 'guest-not-run')
    } finally {
      arriving.delete(bullId)
      release(place)
    }
  }

  const arrive = async (place: GuestPlace, offer: HandoverOffer): Promise<'here' | 'gone' | 'no-room'> => {
    const { bullId } = offer
    if (!(await enterInTime(bullId))) return 'no-room'
    let isHere = false
    try {
      isHere = await handover.claim(options.lockKey(bullId), offer.token, place.token, options.lockMs)
    } finally {
      if (!isHere) arriving.delete(bullId)
    }
    return isHere ? 'here' : 'gone'
  }

  return {
    async take(offer, taken) {
      const fetcher = roomiest()
      if (limit() < 1 || fetcher === undefined || roomSignal.waiting >= Math.max(1, limit() * waitingShare))
        return false
      kept++
      const place = fetcher.keepPlace()
      let arrival: Awaited<ReturnType<typeof arrive>> = 'gone'
      try {
        arrival = await arrive(place, offer)
      } finally {
        if (arrival !== 'here') release(place)
      }
      if (arrival === 'here') {
        taken()
        void run(place, offer.bullId)
      }
      return arrival !== 'no-room'
    },
    onBegun: (bullId) => void arriving.delete(bullId),
    onRoom: roomSignal.wake,
    isFull: () => kept > 0 && !hasRoom(),
  }
}
