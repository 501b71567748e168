/** What a model's engine can hold. */
export interface CapacityLimits {
  readonly slots: number
  readonly maxQueued: number
  readonly kvTokens: number
  readonly batchSlowdown: number
}

/** One call's claim: `waiting → running → released`, or released while waiting. */
export interface Ticket {
  readonly state: 'waiting' | 'running' | 'released'
  /** Counts tokens put into the KV cache after admission. */
  grow(tokens: number): void
  /** Gives slot and cache back; a second call does nothing. */
  release(): void
}

interface MutableTicket extends Ticket {
  state: Ticket['state']
}

/**
 * The engine of one model, as vLLM's scheduler sees it: slots, a first-come queue with an end, and a KV cache that
 * fills with the tokens in flight. The head of the queue waits until both a slot and room for its prompt are free.
 */
export class Capacity {
  #limits: CapacityLimits
  readonly #waiting = new Set<{ ticket: MutableTicket; promptTokens: number; admitted: () => void }>()
  #running = 0
  #kvTokens = 0
  #admitting = false

  constructor(limits: CapacityLimits) {
    this.#limits = limits
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Share of the KV cache in use, 0 to 1. */
  get kvUsage(): number {
    return Math.min(1, this.#kvTokens / this.#limits.kvTokens)
  }

  /** How much longer a token takes now than for a call that is alone: at least 1. */
  get slowdown(): number {
    return 1 + this.#limits.batchSlowdown * Math.max(0, this.#running - 1)
  }

  /** A running ticket, a waiting one (then `admitted` is called once it runs), or nothing when the queue is full. */
  acquire(promptTokens: number, admitted: () => void): Ticket | undefined {
    const fits = this.#waiting.size === 0 && this.#fits(promptTokens)
    if (!fits && this.#waiting.size >= this.#limits.maxQueued) return undefined
    let held = 0
    const ticket: MutableTicket = {
      state: 'waiting',
      grow: (tokens) => {
        if (ticket.state !== 'running') return
        held += tokens
        this.#kvTokens += tokens
      },
      release: () => {
        const was = ticket.state
        ticket.state = 'released'
        if (was === 'waiting') this.#waiting.delete(entry)
        if (was !== 'running') return
        this.#running -= 1
        this.#kvTokens -= promptTokens + held
        this.#admitWaiting()
      },
    }
    const entry = { ticket, promptTokens, admitted }
    if (fits) this.#run(ticket, promptTokens)
    else this.#waiting.add(entry)
    return ticket
  }

  /** New limits; whoever fits now is let in, and whoever runs goes on. */
  resize(limits: CapacityLimits): void {
    this.#limits = limits
    this.#admitWaiting()
  }

  #fits(promptTokens: number): boolean {
    if (this.#running === 0) return true
    return this.#running < this.#limits.slots && this.#kvTokens + promptTokens <= this.#limits.kvTokens
  }

  #run(ticket: MutableTicket, promptTokens: number): void {
    ticket.state = 'running'
    this.#running += 1
    this.#kvTokens += promptTokens
  }

  #admitWaiting(): void {
    // A call that is over at once releases its slot from within `admitted`; the loop that runs serves the next one.
    if (this.#admitting) return
    this.#admitting = true
    for (const entry of this.#waiting) {
      if (!this.#fits(entry.promptTokens)) break
      this.#waiting.delete(entry)
      this.#run(entry.ticket, entry.promptTokens)
      entry.admitted()
    }
    this.#admitting = false
  }
}
