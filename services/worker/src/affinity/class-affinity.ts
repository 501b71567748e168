import type { Clock } from '@inferq/runtime'
import { createRecent } from './recent.ts'

/** What a worker tells the others of its class: that it is there, and which prompts its backend has read. */
export interface AffinityMessage {
  readonly worker: string
  readonly homes: readonly string[]
  readonly served: readonly string[]
  /** It stops. */
  readonly leaves?: true
}

/** What a worker knows of the others of a class. */
export interface ClassAffinity {
  /** The worker whose backend has read this beginning of a prompt, where no backend of this worker has. */
  preferred(prefix: string): string | null
  /** Whether it makes a difference which worker gets a job. */
  matters(): boolean
  /** A backend of this worker has read this. */
  serve(prefix: string): void
  hear(message: AffinityMessage): void
  /** It has not answered: nothing is expected of it until it is heard again. */
  forget(workerId: string): void
  /** What is to be said now; undefined for nothing. */
  say(): AffinityMessage | undefined
  /** The backends of this worker, from now on. */
  homes: ReadonlySet<string>
}

export interface ClassAffinityOptions {
  readonly workerId: string
  readonly homes: ReadonlySet<string>
  readonly clock: Pick<Clock, 'monotonic'>
}

/** A conversation that rests for longer has most often lost its place in the backend's cache. */
const lifetimeMs = 600_000
/** About 5 MB. */
const mostPrefixes = 50_000
const mostServed = 1_000
/** Between two messages of a worker that has nothing to tell. */
const aliveEveryMs = 3_000
/** Between two of one that has: the first goes at once, for the next turn of an agent is there in no time. */
const tellEveryMs = 20
/** Among many each speaks the less often, so that all of them are not heard more than a hundred times a second. */
const tellEveryMsForEach = 10
/** So few are told at once who is there when one comes. */
const fewOthers = 32
/** Messages a worker may miss. */
const missed = 3

export function createClassAffinity(options: ClassAffinityOptions): ClassAffinity {
  const { workerId, clock } = options
  let { homes } = options
  const served = createRecent({ most: mostPrefixes, lifetimeMs, clock })
  const others = new Map<string, { readonly homes: readonly string[]; readonly heardAt: number }>()
  let untold: string[] = []
  let toldAt = Number.NEGATIVE_INFINITY
  /** One has come that has not heard of this worker. */
  let isNewHere = false

  const tellEvery = (): number => Math.max(tellEveryMs, others.size * tellEveryMsForEach)
  const aliveEvery = (): number => Math.max(aliveEveryMs, tellEvery())
  const isApart = (other: { readonly homes: readonly string[] }): boolean =>
    other.homes.some((home) => !homes.has(home))

  const dropLost = (now: number): void => {
    for (const [id, { heardAt }] of others) if (now - heardAt > missed * aliveEvery()) others.delete(id)
  }

  return {
    get homes() {
      return homes
    },
    set homes(own) {
      homes = own
    },
    preferred(prefix) {
      const id = served.get(prefix)
      if (id === undefined || id === workerId) return null
      const other = others.get(id)
      return other !== undefined && isApart(other) ? id : null
    },
    matters: () => [...others.values()].some(isApart),
    serve(prefix) {
      served.set(prefix, workerId)
      untold.push(prefix)
      if (untold.length > mostServed) untold.shift()
    },
    hear(message) {
      const { worker } = message
      if (worker === workerId) return
      if (message.leaves) return void others.delete(worker)
      if (!others.has(worker) && others.size < fewOthers) isNewHere = true
      others.set(worker, { homes: message.homes, heardAt: clock.monotonic() })
      for (const prefix of message.served) served.set(prefix, worker)
    },
    forget: (id) => void others.delete(id),
    say() {
      const now = clock.monotonic()
      dropLost(now)
      if (now - toldAt < (untold.length > 0 || isNewHere ? tellEvery() : aliveEvery())) return undefined
      toldAt = now
      isNewHere = false
      const message = { worker: workerId, homes: [...homes], served: untold }
      untold = []
      return message
    },
  }
}
