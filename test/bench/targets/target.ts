import type { Endpoint } from '../load/protocol.ts'
import type { TrackedProcess } from '../measure/processes.ts'

export const targetNames = ['direct', 'pass-through', 'portkey', 'litellm', 'inferq'] as const
export type TargetName = (typeof targetNames)[number]

/** A process of a target that can be killed (SIGKILL) and started again as it was. */
export interface TargetPart {
  readonly label: string
  /** Resolves when it is dead. */
  kill(): Promise<void>
  /** Starts it again; resolves when it serves. Rejects when it does not. */
  restart(): Promise<void>
}

/** Something that takes chat completions: running, and stopped by whoever started it. */
export interface Target {
  readonly name: TargetName
  /** What stands between the load generator and the upstream. */
  readonly description: string
  readonly version: string
  readonly endpoint: Endpoint
  /** Everything it consists of, the upstream aside. */
  readonly processes: readonly TrackedProcess[]
  /** What the fault cell kills, one after the other. Its process ids in `processes` are not to be used after that. */
  readonly parts?: readonly TargetPart[]
  /** For INFO; undefined: it uses no Redis. */
  readonly redisUrl?: string
  stop(): Promise<void>
}

/** A target that cannot be had here. The bench says so and goes on without it. */
export class TargetUnavailable extends Error {
  override readonly name = 'TargetUnavailable'
}

/** What every target is started with. */
export interface Surroundings {
  /** A folder of the run, removed at its end. */
  readonly folder: string
  /** Kept from run to run: what had to be downloaded. */
  readonly cacheFolder: string
  /** The environment of every process, without anything that configures a target. */
  readonly environment: NodeJS.ProcessEnv
  /** The bench's main module: it also is the pass-through. */
  readonly main: string
  /** Where the upstream listens. */
  readonly upstreamUrl: string
}
