import type { System } from '../system/system.ts'

export type FaultRoom = 'redis' | 'postgres' | 'process' | 'upstream'

/** Something that goes wrong, and is put right again. */
export interface Fault {
  /** `redis-blackhole` */
  readonly name: string
  readonly room: FaultRoom
  /** One line for the report: what happens to whom. */
  readonly description: string
  /** How long it lasts, ms, drawn between these. */
  readonly lastsMs: readonly [min: number, max: number]
  /** Only drawn in runs that last at least so long: what takes much of a short one. */
  readonly minRunMs?: number
  /** False where this installation cannot have it (no replica, PGlite). */
  readonly isPossible?: (system: System) => boolean
  /** Lets it happen; `random` gives numbers in [0, 1) and decides whom it strikes. Gives how to put it right. */
  inject(system: System, random: () => number): Promise<Injected>
}

export interface Injected {
  /** Whom it struck: `worker-1`. */
  readonly target: string
  /** What it may cost although every promise is kept; see docs/guarantees.md. */
  readonly mayLose?: 'interactive'
  /** A recovery that is measured: from the death, or from the return, on. */
  readonly measures?: 'worker-killed' | 'redis-restarted'
  /** After it everything works again by itself. Resolves when what was stopped runs. */
  heal(): Promise<void>
}
