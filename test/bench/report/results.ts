import type { Faults } from '../load/protocol.ts'
import type { Machine } from '../measure/machine.ts'
import type { CommandUse } from '../measure/redis-commands.ts'
import type { TargetName } from '../targets/target.ts'
import type { FaultsResult, GrowthResult, LadderResult, PayloadResult, StampedStreamsResult } from './cell-results.ts'

/** One run of the bench, as it is written to a file and read by `report`. */
export interface BenchReport {
  readonly format: 1
  readonly startedAt: string
  readonly command: string
  /** Short runs: good for a look, not for a claim. */
  readonly quick: boolean
  /** What ran on which cores. Absent: everything on all of them. */
  readonly pinned?: string
  readonly machine: Machine
  /** The commit the code is from; `+` at its end: with changes. Null outside git. */
  readonly commit: string | null
  readonly targets: readonly TargetInfo[]
  readonly cells: readonly CellResult[]
  /** Cells that could not be run to their end. */
  readonly failures?: readonly CellFailure[]
}

export interface CellFailure {
  readonly cell: string
  readonly message: string
}

export interface TargetInfo {
  readonly name: TargetName
  readonly description: string
  readonly version: string
  /** Why it did not take part. */
  readonly skipped?: string
}

export type CellResult =
  | ThroughputResult
  | LatencyResult
  | FirstTokenResult
  | LadderResult
  | StampedStreamsResult
  | PayloadResult
  | GrowthResult
  | FaultsResult
  | IdleReadersResult

/** Closed loop: so many connections, each sending its next request when the last one is answered. */
export interface ThroughputResult {
  readonly kind: 'throughput'
  readonly name: string
  readonly connections: number
  readonly stream: boolean
  /** Each target's whole stack on one core, upstream and load generator on another. */
  readonly pinned?: true
  readonly durationMs: number
  readonly runs: readonly ThroughputRun[]
}

export interface ThroughputRun {
  readonly target: TargetName
  readonly repeat: number
  readonly requestsPerSecond: number
  /** Requests answered rightly. */
  readonly completed: number
  readonly faults: Faults
  readonly p50Ms: number
  readonly p99Ms: number
  /** The target's own processes; empty where the system does not say. */
  readonly processes: readonly ProcessUse[]
  /** The simulator and the load generator, the same for every target. */
  readonly around: readonly ProcessUse[]
  /** Over the whole run, by command. */
  readonly redisCommands?: readonly CommandUse[]
}

export interface ProcessUse {
  readonly label: string
  readonly cpuSecondsPer1000: number
  /** The highest resident size in this run (RSS), summed over the processes behind the label. */
  readonly peakRssMib: number
  /** At its end, memory that processes share divided among them (PSS). */
  readonly pssMib?: number
}

/** One request at a time, all targets in each round, in random order. */
export interface LatencyResult {
  readonly kind: 'latency'
  readonly name: string
  readonly upstream: string
  readonly faults: Faults
  /** By target, in ms, one value per round. */
  readonly totalMs: Readonly<Record<string, readonly number[]>>
}

/** From the request to the first text of a stream. */
export interface FirstTokenResult {
  readonly kind: 'first-token'
  readonly name: string
  /** 1: one stream at a time, values of a round belong together. */
  readonly streams: number
  readonly faults: Faults
  /** By target, in ms. */
  readonly firstTokenMs: Readonly<Record<string, readonly number[]>>
}

/** Readers of the events of jobs that wait, on one ingress that does nothing else. */
export interface IdleReadersResult {
  readonly kind: 'idle-readers'
  readonly name: string
  readonly readers: number
  readonly faults: Faults
  readonly rssBeforeMib: number
  readonly rssAfterMib: number
  readonly kibPerReader: number
  /** Of the ingress, while nothing happens but comments: seconds of CPU per second. */
  readonly idleCpuShare: number
}
