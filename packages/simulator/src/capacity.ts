/** What a model's engine can hold. */
export interface CapacityLimits {
  readonly slots: number
  readonly maxQueued: number
  readonly kvTokens: number
  readonly batchSlowdown: number
}

/** One call's claim: `waiting → running → released`, or released while waiting. One that is preempted waits again. */
export interface Ticket {
  readonly state: 'waiting' | 'running' | 'released'
  /** Counts tokens put into the KV cache after admission; who runs may lose its place for it. */
  grow(tokens: number): void
  /** Gives slot and cache back; a second call does nothing. */
  release(): void
}

/** What a call is told. */
export interface Claimant {
  /** It runs now: for the first time, or again. */
  admitted(): void
  /** It has lost its place in the KV cache, and waits as the next one; what was computed is computed again then. */
  preempted?(): void
}

interface MutableTicket extends Ticket {
  state: Ticket['state']
  /** In the KV cache while it runs. */
  tokens: number
  readonly claimant: Claimant
}

/**
 * The engine of one model, as vLLM's scheduler sees it: slots, a first-come queue with an end, and a KV cache that
 * fills with the tokens in flight. The head of the queue waits until both a slot and room for its prompt are free. When the
 * cache overflows the last one to be admitted is preempted.
 */
export class Capacity {
  #limits: CapacityLimits
  #waiting = new Set<MutableTicket>()
  readonly #running = new Set<MutableTicket>()
  #kvTokens = 0
  #preemptions = 0
  #admitting = false

  constructor(limits: CapacityLimits) {
    this.#limits = limits
  }

  get running(): number {
    return this.#running.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Share of the KV cache in use, 0 to 1. */
  get kvUsage(): number {
    return Math.min(1, this.#kvTokens / this.#limits.kvTokens)
  }

  /** Calls preempted so far. */
  get preemptions(): number {
    return this.#preemptions
  }

  /** How much longer a token takes now than for a call that is alone: at least 1. */
  get slowdown(): number {
    return 1 + this.#limits.batchSlowdown * Math.max(0, this.#running.size - 1)
  }

  /** A running ticket, a waiting one (its claimant is told once it runs), or nothing when the queue is full. */
  acquire(promptTokens: number, claimant: Claimant): Ticket | undefined {
    const fits = this.#waiting.size === 0 && this.#fits(promptTokens)
    if (!fits && this.#waiting.size >= this.#limits.maxQueued) return undefined
    const ticket: MutableTicket = {
      state: 'waiting',
      tokens: promptTokens,
      claimant,
      grow: (tokens) => {
        if (ticket.state !== 'running') return
        ticket.tokens += tokens
        this.#kvTokens += tokens
        this.#preempt()
      },
      release: () => {
        const was = ticket.state
        ticket.state = 'released'
        this.#waiting.delete(ticket)
        if (was === 'running') this.#leave(ticket)
        this.#admitWaiting()
      },
    }
    if (fits) this.#run(ticket)
    else this.#waiting.add(ticket)
    return ticket
  }

  /** New limits; whoever fits now is let in, and whoever runs goes on. */
  resize(limits: CapacityLimits): void {
    this.#limits = limits
    this.#admitWaiting()
  }

  #fits(tokens: number): boolean {
    if (this.#running.size === 0) return true
    return this.#running.size < this.#limits.slots && this.#kvTokens + tokens <= this.#limits.kvTokens
  }

  #run(ticket: MutableTicket): void {
    ticket.state = 'running'
    this.#running.add(ticket)
    this.#kvTokens += ticket.tokens
  }

  #leave(ticket: MutableTicket): void {
    this.#running.delete(ticket)
    this.#kvTokens -= ticket.tokens
  }

  #preempt(): void {
    while (this.#kvTokens > this.#limits.kvTokens && this.#running.size > 1) {
      const last = [...this.#running].findLast(({ claimant }) => claimant.preempted !== undefined)
      if (last === undefined) return
      this.#preemptions += 1
      this.#leave(last)
      last.state = 'waiting'
      this.#waiting = new Set([last, ...this.#waiting])
      last.claimant.preempted?.()
    }
  }

  #admitWaiting(): void {
    // A call that is over at once releases its slot from within `admitted`; the loop that runs serves the next one.
    if (this.#admitting) return
    this.#admitting = true
    for (const ticket of this.#waiting) {
      if (!this.#fits(ticket.tokens)) break
      this.#waiting.delete(ticket)
      this.#run(ticket)
      ticket.claimant.admitted()
    }
    this.#admitting = false
  }
}
