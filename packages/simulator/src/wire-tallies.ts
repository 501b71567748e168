import { type Counters, countInFlight, createCounters, type WireName, type WireStats } from './stats.ts'

/** What each wire has seen, over all models. */
export class WireTallies {
  readonly #tallies = createTallies()

  /** What the wire's counters live in; a reset replaces them, and not this. */
  of(wire: WireName): { readonly counters: Counters } {
    return this.#tallies[wire]
  }

  /** A call of the wire has taken a slot. */
  enter(wire: WireName): void {
    const tally = this.#tallies[wire]
    tally.running += 1
    tally.counters.maxConcurrency = Math.max(tally.counters.maxConcurrency, tally.running)
  }

  /** A call that had a slot is over. */
  leave(wire: WireName): void {
    this.#tallies[wire].running -= 1
  }

  /** Counters to zero, but for the calls in flight. */
  reset(): void {
    for (const tally of Object.values(this.#tallies)) {
      const calls = countInFlight(tally.counters)
      tally.counters = { ...createCounters(), calls, maxConcurrency: tally.running }
    }
  }

  stats(): Record<WireName, WireStats> {
    const { openai, azure, ollama, anthropic, gemini, cohere, bedrock } = this.#tallies
    const state = ({ counters, running }: Tally): WireStats => ({ ...counters, running })
    return {
      openai: state(openai),
      azure: state(azure),
      ollama: state(ollama),
      anthropic: state(anthropic),
      gemini: state(gemini),
      cohere: state(cohere),
      bedrock: state(bedrock),
    }
  }
}

interface Tally {
  counters: Counters
  running: number
}

function createTallies(): Record<WireName, Tally> {
  const tally = (): Tally => ({ counters: createCounters(), running: 0 })
  return {
    openai: tally(),
    azure: tally(),
    ollama: tally(),
    anthropic: tally(),
    gemini: tally(),
    cohere: tally(),
    bedrock: tally(),
  }
}
