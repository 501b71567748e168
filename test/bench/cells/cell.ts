import type { LoadProcess } from '../load/load-process.ts'
import type { ChatCall, Endpoint } from '../load/protocol.ts'
import type { CellResult } from '../report/results.ts'
import type { InferqTarget } from '../targets/inferq.ts'
import type { UpstreamSimulator } from '../targets/simulator.ts'
import type { Target } from '../targets/target.ts'

/** How long and how often. Times in milliseconds. */
export interface Extent {
  readonly repeats: number
  readonly warmUpMs: number
  readonly durationMs: number
  /** Of paired calls. */
  readonly rounds: number
  readonly streamsDurationMs: number
  readonly readers: number
}

export const fullExtent: Extent = {
  repeats: 3,
  warmUpMs: 1_000,
  durationMs: 4_000,
  rounds: 300,
  streamsDurationMs: 10_000,
  readers: 2_000,
}

/** For a look while working. */
export const quickExtent: Extent = {
  repeats: 2,
  warmUpMs: 300,
  durationMs: 1_000,
  rounds: 40,
  streamsDurationMs: 3_000,
  readers: 300,
}

/** What a cell works with: everything runs already. */
export interface CellContext {
  readonly targets: readonly Target[]
  /** The same as the one in `targets`, if it takes part. */
  readonly inferq: InferqTarget | undefined
  readonly simulator: UpstreamSimulator
  readonly load: LoadProcess
  readonly extent: Extent
  /** The call for a model, with the answer it must give. */
  call(model: string, stream: boolean): ChatCall
  /** A line for whoever waits. */
  progress(line: string): void
}

export interface Cell {
  readonly name: string
  /** Null: it needs a target that does not take part. */
  run(context: CellContext): Promise<CellResult | null>
}

export function endpointsOf(context: CellContext): Endpoint[] {
  return context.targets.map((target) => target.endpoint)
}
