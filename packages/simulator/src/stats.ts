/**
 * What a model, or the server, has done since the last reset. A call that passed validation ends in exactly one of
 * completed, aborted, failed or rejected, so `calls` is their sum plus what is still in flight.
 */
export interface Counters {
  calls: number
  /** Answered to the end. */
  completed: number
  /** The client went away before the end. */
  aborted: number
  /** Ended by a scripted fault: a status, an error in the stream, a cut. */
  failed: number
  /** Refused because the queue was full (503) or the prompt too long (400). */
  rejected: number
  /** Scripted faults that came to pass, hangs and malformed chunks included. */
  faults: number
  promptTokens: number
  generatedTokens: number
  /** Calls that continued a given beginning of the answer. */
  continued: number
  embeddingCalls: number
  embeddingItems: number
  maxConcurrency: number
  /** Times the model was loaded on Ollama's wire. */
  loads: number
  /** Loads that had to throw out a model, or the same one under other options. */
  swaps: number
}

export type WireName = 'openai' | 'azure' | 'ollama' | 'anthropic' | 'gemini' | 'cohere' | 'bedrock'

/** Counters of one wire, all its models together, with what is happening now. Loads and swaps are a model's alone. */
export interface WireStats extends Counters {
  readonly running: number
}

/** Counters of one model with what is happening now. */
export interface ModelStats extends Counters {
  readonly running: number
  readonly waiting: number
}

/** A request as it came in; the last ones are kept. */
export interface RequestRecord {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly method: string
  readonly path: string
  /** Lower-case names; secrets masked to their last four characters. */
  readonly headers: Readonly<Record<string, string>>
  readonly model: string | null
  readonly stream: boolean
  /** 0 while nothing has been answered. */
  readonly status: number
  /** The body's text, at most 64 KiB of it; only when the server records bodies. */
  readonly body?: string
}

export interface Stats {
  readonly total: ModelStats
  readonly models: Readonly<Record<string, ModelStats>>
  /** Every wire, also those nobody called. */
  readonly wires: Readonly<Record<WireName, WireStats>>
  readonly requests?: readonly RequestRecord[]
}

/** Adds to a counter of a call's model and wire. */
export type Count = (counter: keyof Counters, by?: number) => void

/** Calls that have begun and not ended. */
export function countInFlight({ calls, completed, aborted, failed, rejected }: Counters): number {
  return calls - completed - aborted - failed - rejected
}

export function createCounters(): Counters {
  return {
    calls: 0,
    completed: 0,
    aborted: 0,
    failed: 0,
    rejected: 0,
    faults: 0,
    promptTokens: 0,
    generatedTokens: 0,
    continued: 0,
    embeddingCalls: 0,
    embeddingItems: 0,
    maxConcurrency: 0,
    loads: 0,
    swaps: 0,
  }
}

/** The sum of several models; `maxConcurrency` is the server's own peak, which is not the sum of theirs. */
export function sumStats(models: Iterable<ModelStats>, maxConcurrency: number): ModelStats {
  const sum = { ...createCounters(), running: 0, waiting: 0 }
  for (const model of models) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += model[name]
  }
  sum.maxConcurrency = maxConcurrency
  return sum
}
