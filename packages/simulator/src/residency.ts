import type { Counters } from './stats.ts'
import type { Ticker, Timed } from './ticker.ts'

/** A model in memory, as `/api/ps` lists it. */
export interface LoadedModel {
  readonly name: string
  /** The load options it was loaded under, as one comparable text. */
  readonly loadOptions: string
  /** Milliseconds since 1970; infinite when it stays. */
  readonly expiresAt: number
}

export interface LoadRequest {
  readonly name: string
  readonly loadOptions: string
  readonly swapMs: number
  /** How long the model stays after its last use; infinite for good, 0 for not at all. */
  readonly keepAliveMs: number
  readonly counters: Counters
}

/** A claim on a loaded model. */
export interface Hold {
  /** Gives the model back, or the place in the queue; a second call does nothing. */
  release(): void
}

interface Entry {
  readonly name: string
  readonly loadOptions: string
  users: number
  keepAliveMs: number
  usedAt: number
}

interface Pending {
  readonly request: LoadRequest
  readonly since: number
  readonly ready: (loadMs: number, hold: Hold) => void
  readonly hold: Hold
  entry: Entry | undefined
}

/**
 * Which models are in memory, as Ollama's scheduler decides it: first come, first served, one load at a time. A load
 * throws out the model longest idle when there is no room, and waits when every one is in use.
 */
export class Residency implements Timed {
  at = 0
  slot = -1
  readonly #maxLoaded: number
  readonly #maxQueued: number
  readonly #ticker: Ticker
  readonly #loaded = new Map<string, Entry>()
  readonly #queue: Pending[] = []
  #loading: Pending | undefined
  #advancing = false

  constructor(options: { maxLoaded: number; maxQueued: number; ticker: Ticker }) {
    this.#maxLoaded = options.maxLoaded
    this.#maxQueued = options.maxQueued
    this.#ticker = options.ticker
  }

  /** Calls `ready` once the model is loaded, which may be before this returns. Nothing when too many already wait. */
  acquire(request: LoadRequest, ready: (loadMs: number, hold: Hold) => void): Hold | undefined {
    if (this.#queue.length >= this.#maxQueued) return undefined
    let released = false
    const hold: Hold = {
      release: () => {
        if (released) return
        released = true
        if (pending.entry !== undefined) this.#giveBack(pending.entry)
        else this.#queue.splice(this.#queue.indexOf(pending), 1)
        this.#advance()
      },
    }
    const pending: Pending = { request, since: performance.now(), ready, hold, entry: undefined }
    this.#queue.push(pending)
    this.#advance()
    return hold
  }

  /** Takes a model out of memory as soon as nobody uses it. */
  unload(name: string): void {
    const entry = this.#loaded.get(name)
    if (entry === undefined) return
    entry.keepAliveMs = 0
    this.#expire()
    this.#advance()
  }

  list(): LoadedModel[] {
    this.#expire()
    return [...this.#loaded.values()].map(({ name, loadOptions, users, usedAt, keepAliveMs }) => ({
      name,
      loadOptions,
      expiresAt: (users > 0 ? Date.now() : usedAt) + keepAliveMs,
    }))
  }

  /** Forgets every model not in use. */
  clear(): void {
    for (const entry of this.#loaded.values()) if (entry.users === 0) this.#loaded.delete(entry.name)
  }

  /** Gives up the load under way. */
  stop(): void {
    this.#ticker.cancel(this)
    this.#loading = undefined
  }

  /** The load that was under way is done. */
  due(): void {
    const pending = this.#loading
    if (pending === undefined) return
    this.#loading = undefined
    const { name, loadOptions, keepAliveMs } = pending.request
    const entry: Entry = { name, loadOptions, keepAliveMs, users: 0, usedAt: Date.now() }
    this.#loaded.set(name, entry)
    // Whoever asked for the model has it before it can expire, unless they have gone.
    if (this.#queue[0] === pending) this.#handOver(pending, entry)
    this.#advance()
  }

  #advance(): void {
    if (this.#advancing) return
    this.#advancing = true
    while (this.#loading === undefined) {
      const head = this.#queue[0]
      if (head === undefined || !this.#serve(head)) break
    }
    this.#advancing = false
  }

  /** Hands the head its model, or begins its load; false when it has to wait for a model in use. */
  #serve(head: Pending): boolean {
    const { request } = head
    this.#expire()
    const entry = this.#loaded.get(request.name)
    if (entry?.loadOptions === request.loadOptions) {
      this.#handOver(head, entry)
      return true
    }
    const victim = this.#loaded.get(request.name) ?? (this.#loaded.size < this.#maxLoaded ? undefined : this.#idlest())
    if (victim === undefined && this.#loaded.size >= this.#maxLoaded) return false
    if (victim !== undefined) {
      if (victim.users > 0) return false
      this.#loaded.delete(victim.name)
      request.counters.swaps += 1
    }
    request.counters.loads += 1
    this.#loading = head
    if (request.swapMs > 0) this.#ticker.schedule(this, performance.now() + request.swapMs)
    else this.due()
    return true
  }

  #handOver(pending: Pending, entry: Entry): void {
    this.#queue.shift()
    entry.users += 1
    entry.keepAliveMs = pending.request.keepAliveMs
    pending.entry = entry
    pending.ready(performance.now() - pending.since, pending.hold)
  }

  // The map is in the order of last use.
  #idlest(): Entry | undefined {
    for (const entry of this.#loaded.values()) if (entry.users === 0) return entry
    return undefined
  }

  #giveBack(entry: Entry): void {
    entry.users -= 1
    entry.usedAt = Date.now()
    this.#loaded.delete(entry.name)
    if (entry.users > 0 || entry.keepAliveMs > 0) this.#loaded.set(entry.name, entry)
  }

  #expire(): void {
    const now = Date.now()
    for (const entry of this.#loaded.values()) {
      if (entry.users === 0 && entry.usedAt + entry.keepAliveMs <= now) this.#loaded.delete(entry.name)
    }
  }
}
