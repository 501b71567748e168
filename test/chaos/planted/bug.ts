import type { Rule } from '../history/history.ts'
import type { RunOptions, RunRule, Scheduled } from '../run/run.ts'
import type { Patch } from './plant.ts'

/** A mistake that somebody might make in the product, and the promise that is broken with it. */
export interface PlantedBug {
  readonly name: string
  /** What was done wrong, for the report. */
  readonly mistake: string
  readonly rule: Rule | RunRule
  /** What the detail of the violation says, where another bug in the same run may break the same rule. */
  readonly shows?: RegExp
  readonly patches: readonly Patch[]
  /** What has to go wrong for it to show. */
  readonly schedule?: readonly Scheduled[]
  /** And what has to be asked for. */
  readonly load?: RunOptions['load']
  /** Bugs of one group do not hide each other: they can be planted together. */
  readonly group: Group
}

/** Each is one run in `npm test`. */
export const groups = ['answers', 'readers', 'ends', 'faults'] as const
export type Group = (typeof groups)[number]
