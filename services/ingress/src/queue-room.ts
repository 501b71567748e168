import type { InferqConfig } from '@inferq/config'
import { InferqError } from '@inferq/contracts'
import type { JobQueue } from '@inferq/queue'
import { type Clock, createPeriodicService, type Log, type Service } from '@inferq/runtime'
import type { ClassPace } from './class-pace.ts'

/**
 * Whether a class takes more jobs: it does until `classes.<class>.max_queue` wait. No request asks Redis for it: how many wait is
 * looked up a few times a second while requests come or the line is long, and what this ingress has added since is counted to
 * it. So the bound is exceeded by what other ingresses add in between, and by what comes in the millisecond that the first
 * look takes. A Service: started, it keeps looking at long lines, whether requests come or not.
 */
export interface QueueRoom extends Service {
  /** Counts a job that was accepted. Throws `queue_full`, with the time until there is room. No I/O. */
  admit(modelClass: string, jobId: string): void
  /** An admitted job goes into its queue now. */
  entered(modelClass: string, jobId: string): void
  /** An admitted job will not come after all. */
  dismiss(modelClass: string, jobId: string): void
}

export interface QueueRoomOptions {
  config(): Pick<InferqConfig, 'classes'>
  readonly queue: Pick<JobQueue, 'depth'>
  readonly pace: ClassPace
  readonly clock: Clock
  readonly log: Log
  /** Has the look done, and waits for it when the process stops. */
  runInBackground(what: string, work: Promise<unknown>): void
}

/** Between two looks: far from the bound, and from half of it on. */
const lookEveryMs = 250
const lookCloselyEveryMs = 10
/** What was seen longer ago says nothing. */
const knownForMs = 1_000
/** An accepted job that has not come into its queue by then will not: the record of truth has answered by then, or never. */
const comesWithinMs = 3_000
/** Where nobody knows how fast the class is, and at most. */
const unknownSeconds = 5
const maxSeconds = 3_600

interface View {
  /** Of the last look: jobs that wait, less the slots that were free for them. */
  waiting: number
  slots: number | null
  seenAt: number
  lookedAt: number
  isLooking: boolean
  /** Came into the queue since the last look began. */
  entered: number
  /** Accepted, and not in the queue yet; with when they were accepted, oldest first. */
  readonly coming: Map<string, number>
}

export function createQueueRoom(options: QueueRoomOptions): QueueRoom {
  const { config, queue, pace, clock, log, runInBackground } = options
  const views = new Map<string, View>()

  const viewOf = (modelClass: string): View => {
    let view = views.get(modelClass)
    if (view === undefined) {
      const never = { seenAt: Number.NEGATIVE_INFINITY, lookedAt: Number.NEGATIVE_INFINITY }
      view = { waiting: 0, slots: null, ...never, isLooking: false, entered: 0, coming: new Map() }
      views.set(modelClass, view)
    }
    return view
  }

  const look = async (modelClass: string, view: View): Promise<void> => {
    const before = view.entered
    view.isLooking = true
    view.lookedAt = clock.monotonic()
    try {
      const [{ waiting, active }, slots] = await Promise.all([queue.depth(modelClass), pace.slots(modelClass)])
      view.waiting = waiting - Math.max(0, (slots ?? 0) - active)
      view.slots = slots
      view.entered -= before
      view.seenAt = clock.monotonic()
    } catch {
      // Redis is away: whoever wants to enqueue hears of it.
    } finally {
      view.isLooking = false
    }
  }

  /** Begins a look when one is due. */
  const keepLooking = (modelClass: string, view: View, isNear: boolean): void => {
    const now = clock.monotonic()
    if (view.isLooking || now - view.lookedAt < (isNear ? lookCloselyEveryMs : lookEveryMs)) return
    if (!isKnown(view, now)) view.entered = 0
    runInBackground('queue-depth', look(modelClass, view))
  }

  const maxQueueOf = (modelClass: string): number => config().classes[modelClass]?.maxQueue ?? Number.POSITIVE_INFINITY

  const service = createPeriodicService({
    name: 'queue-room',
    intervalMs: lookEveryMs,
    clock,
    log,
    async run() {
      const long = [...views].filter(
        ([name, view]) => !view.isLooking && view.waiting + view.entered >= maxQueueOf(name) / 2,
      )
      await Promise.all(long.map(([name, view]) => look(name, view)))
    },
  })

  return {
    ...service,
    admit(modelClass, jobId) {
      const view = viewOf(modelClass)
      const now = clock.monotonic()
      for (const [id, acceptedAt] of view.coming) {
        if (now - acceptedAt < comesWithinMs) break
        view.coming.delete(id)
      }
      const maxQueue = maxQueueOf(modelClass)
      keepLooking(modelClass, view, lengthOf(view, now) >= maxQueue / 2)
      const excess = lengthOf(view, now) - maxQueue + 1
      if (excess > 0) throw full(modelClass, maxQueue, pace.drainSeconds(modelClass, excess, view.slots))
      view.coming.set(jobId, now)
    },
    entered(modelClass, jobId) {
      const view = viewOf(modelClass)
      if (view.coming.delete(jobId)) view.entered++
    },
    dismiss(modelClass, jobId) {
      views.get(modelClass)?.coming.delete(jobId)
    },
  }
}

function isKnown(view: View, now: number): boolean {
  return now - view.seenAt < knownForMs
}

/** Of the line, as far as is known here. */
function lengthOf(view: View, now: number): number {
  return (isKnown(view, now) ? view.waiting : 0) + view.entered + view.coming.size
}

function full(modelClass: string, maxQueue: number, drainSeconds: number | null): InferqError {
  const retryAfterSeconds = Math.ceil(Math.min(maxSeconds, Math.max(1, drainSeconds ?? unknownSeconds)))
  const message = `The queue of '${modelClass}' is full: ${maxQueue} requests wait. Try again in ${retryAfterSeconds} s.`
  return new InferqError({ code: 'queue_full', message, retryAfterSeconds })
}
