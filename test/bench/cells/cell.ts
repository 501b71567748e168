import type { LoadProcess } from '../load/load-process.ts'
import type { ChatCall, Endpoint } from '../load/protocol.ts'
import type { Pinning } from '../measure/affinity.ts'
import type { CellResult } from '../report/results.ts'
import type { InferqTarget } from '../targets/inferq.ts'
import type { UpstreamSimulator } from '../targets/simulator.ts'
import type { Surroundings, Target } from '../targets/target.ts'

/** How long and how often. Times in milliseconds. */
export interface Extent {
  readonly repeats: number
  readonly warmUpMs: number
  readonly durationMs: number
  /** Of paired calls. */
  readonly rounds: number
  readonly streamsDurationMs: number
  /** Of paired streams. */
  readonly streamRounds: number
  readonly readers: number
  /** Of one rate of the ladder. */
  readonly rungMs: number
  /** Of the growth cell. */
  readonly requests: number
  /** Of the load around a fault. */
  readonly faultLoadMs: number
}

export const fullExtent: Extent = {
  repeats: 3,
  warmUpMs: 1_000,
  durationMs: 4_000,
  rounds: 1_000,
  streamsDurationMs: 10_000,
  streamRounds: 400,
  readers: 10_000,
  rungMs: 3_000,
  requests: 1_000_000,
  // LiteLLM takes long to start again.
  faultLoadMs: 20_000,
}

/** For a look while working. */
export const quickExtent: Extent = {
  repeats: 2,
  warmUpMs: 300,
  durationMs: 1_000,
  rounds: 40,
  streamsDurationMs: 3_000,
  streamRounds: 40,
  readers: 300,
  rungMs: 1_000,
  requests: 20_000,
  faultLoadMs: 5_000,
}

/** What a cell works with: everything runs already. */
export interface CellContext {
  readonly targets: readonly Target[]
  /** The same as the one in `targets`, if it takes part. */
  readonly inferq: InferqTarget | undefined
  readonly simulator: UpstreamSimulator
  readonly load: LoadProcess
  readonly extent: Extent
  readonly surroundings: Surroundings
  /** Undefined: nothing is to be pinned, or can be. */
  readonly pinning: Pinning | undefined
  /** An inferq of the cell's own, in a folder of this name, its inspectors open. The cell stops it. */
  startInferq(name: string): Promise<InferqTarget>
  /** The call for a model, with the answer it must give. */
  call(model: string, stream: boolean): ChatCall
  /** A line for whoever waits. */
  progress(line: string): void
}

export interface Cell {
  readonly name: string
  /** About how long it takes, in seconds, against so many targets. */
  seconds(extent: Extent, targets: number): number
  /** Null: it needs a target that does not take part, or what cannot be done here. */
  run(context: CellContext): Promise<CellResult | null>
}

export function endpointsOf(context: CellContext): Endpoint[] {
  return context.targets.map((target) => target.endpoint)
}
