import type { Rule } from '../history/history.ts'
import type { LoadOptions } from '../load/load.ts'
import type { SystemOptions } from '../system/system.ts'

/** One run: a system, a load, faults by a schedule, and the judgement of what was seen. */
export interface RunOptions {
  /** Draws the schedule and the load; the same seed, the same schedule. */
  readonly seed: number
  /** The load runs this long; faults begin and are healed within it. */
  readonly durationMs: number
  /** Names of faults to draw from. Default: all that are possible. */
  readonly faults?: readonly string[]
  /** Instead of drawing: exactly these, at these times after the start. */
  readonly schedule?: readonly Scheduled[]
  readonly system?: SystemOptions
  readonly load?: Partial<Omit<LoadOptions, 'system' | 'seed'>>
  /** The load goes on until so much has been done, however long it was to last. */
  readonly atLeast?: { readonly accepted: number; readonly answered: number }
  readonly patience?: Partial<RunPatience>
  /** Told as it happens, a line at a time. */
  readonly onLine?: (line: string) => void
  /** Where the logs of all members and what is known of each violation go when there are any. Made when needed. */
  readonly logFolder?: string
  /** Ends the run early: what was broken is healed, everything is stopped, and the run rejects with the reason. */
  readonly signal?: AbortSignal
}

/** What is granted to a run, in ms. Default: what the worst faults need. */
export interface RunPatience {
  /** The load goes on for so long after the last fault was put right. */
  readonly quietEndMs: number
  /** For the clients to come to their ends after that. */
  readonly clientsMs: number
  /** Then, until everything stands as if nothing had been. */
  readonly settleMs: number
}

export interface Scheduled {
  readonly fault: string
  readonly atMs: number
  readonly lastsMs: number
}

export interface RunResult {
  readonly seed: number
  readonly accepted: number
  readonly answered: number
  readonly refused: number
  readonly violations: readonly RunViolation[]
  readonly injected: readonly InjectedFault[]
  /** Seconds from the death of a worker, or the return of Redis, to the first of its jobs that went on. */
  readonly recoveries: readonly Recovery[]
}

/** What is judged of the system itself, beside the rules of the history. */
export const runRules = ['nothing-crashes', 'comes-back', 'nothing-is-left'] as const
export type RunRule = (typeof runRules)[number]

/** A broken promise, and the faults that may have to do with it: those that overlapped the life of its job. */
export interface RunViolation {
  readonly rule: Rule | RunRule
  /** The job, or the member or part of the system that it is about. */
  readonly jobId: string
  readonly detail: string
  /** Names of faults, each once; empty: there was none, or it shows at the end and may have come from any. */
  readonly faults: readonly string[]
}

export interface InjectedFault {
  readonly fault: string
  readonly target: string
  readonly startedAt: number
  readonly healedAt: number
  /** Jobs and requests that lived while it lasted. */
  readonly struck: number
}

export interface Recovery {
  readonly after: 'worker-killed' | 'redis-restarted'
  readonly seconds: number
  /** Another fault was there at the same time: not what a recovery from this one alone takes. */
  readonly isDisturbed: boolean
}
