import type { FaultClient, Faults } from '../load/protocol.ts'
import type { Percentiles } from '../measure/statistics.ts'
import type { TargetName } from '../targets/target.ts'
import type { ThroughputRun } from './results.ts'

/** Requests at a fixed rate, ever higher: how many a second are answered in time. */
export interface LadderResult {
  readonly kind: 'ladder'
  readonly name: string
  readonly faults: Faults
  /** What the 99th percentile has to stay below. */
  readonly limitMs: number
  readonly runs: readonly LadderRun[]
}

export interface LadderRun {
  readonly target: TargetName
  /** Requests per second of the highest rung that held; null: none did. */
  readonly highestRate: number | null
  /** In the order they were tried. A rung that did not hold is tried once more. */
  readonly rungs: readonly Rung[]
}

export interface Rung {
  readonly rate: number
  readonly held: boolean
  /** From the scheduled moment to the end of the answer. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly faults: Faults
  /** It was given up: as many were open as arrive in a second. */
  readonly overrun: boolean
  /** How late the load generator itself was, p99. */
  readonly lateP99Ms: number
}

/** Many streams at once whose tokens tell when they were emitted. */
export interface StampedStreamsResult {
  readonly kind: 'stamped-streams'
  readonly name: string
  readonly streams: number
  readonly faults: Faults
  readonly runs: readonly StampedStreamsRun[]
}

export interface StampedStreamsRun {
  readonly target: TargetName
  readonly repeat: number
  readonly completed: number
  readonly firstTokenMs: Percentiles
  /** From the emission of a token to its arrival. */
  readonly delayMs: Percentiles
  readonly tokens: number
  /** Of the tokens emitted 20 ms or more after the one before: how many came within 1 ms of it. */
  readonly burstShare: number
  readonly most: number
}

/** Requests with a body of some length. */
export interface PayloadResult {
  readonly kind: 'payload'
  readonly name: string
  readonly bodyBytes: number
  readonly connections: number
  readonly faults: Faults
  /** Closed loop. */
  readonly runs: readonly ThroughputRun[]
  /** Paired rounds, one request at a time: by target, in ms, one value per round. */
  readonly totalMs: Readonly<Record<string, readonly number[]>>
}

/** What many requests leave behind in memory, on an inferq of the cell's own. */
export interface GrowthResult {
  readonly kind: 'growth'
  readonly name: string
  readonly connections: number
  readonly faults: Faults
  readonly requestsPerSecond: number
  /** After each tenth of the requests, garbage collected. */
  readonly points: readonly GrowthPoint[]
}

export interface GrowthPoint {
  readonly requests: number
  /** Resident size by process. */
  readonly rssMib: Readonly<Record<string, number>>
}

/** What a failure of the gateway or of the upstream does to clients that keep asking. */
export interface FaultsResult {
  readonly kind: 'faults'
  readonly name: string
  readonly clients: number
  readonly faults: Faults
  readonly runs: readonly FaultRun[]
}

export interface FaultRun {
  readonly target: TargetName
  /** `kill worker`, `stall` … */
  readonly fault: string
  readonly client: FaultClient
  readonly requests: number
  /** Never answered: no beginning of an answer, no job accepted, after all the client's tries. By reason. */
  readonly refused: Faults
  /** Begun and not ended rightly. By reason. */
  readonly broken: Faults
  /** Times a reader went on after a break. */
  readonly resumed: number
  /** Calls the upstream got beyond one for each request whose answer had begun. */
  readonly extraCalls: number
  /** Tokens the upstream made that are in no right answer. */
  readonly extraTokens: number
  /** From the fault until the last interruption of any client was over; null: one never got text again. */
  readonly recoverMs: number | null
  /** The longest time in which no client got any text, from the fault on. */
  readonly silenceMs: number
  /** Until the killed part served again; null: nothing was killed, or it did not come back. */
  readonly restartMs: number | null
}
