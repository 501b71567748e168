import type { Service } from '@inferq/runtime'
import type { Demand } from './class-clock.ts'

/** The share of every tenant in every model class, as all processes together know it: from memory, told every moment. */
export interface Shares extends Service {
  /** Where a job stands in its class, and charges its tenant for it. No I/O. */
  place(modelClass: string, demand: Demand): Place
  /** A job that was placed there was started. */
  started(modelClass: string, tag: number): void
  /** It has ended, or left the class: what it really took, and for how long it held a slot. */
  ended(modelClass: string, demand: Demand, took: { readonly tokens: number; readonly seconds: number }): void
  /** How long a job of the class holds a slot, in the mean; null as long as nobody knows. */
  meanSeconds(modelClass: string): number | null
  /**
   * Moves the base of the class's numbers when its clock is far from it: whoever calls has to renumber who waits. Gives the
   * base in force. Rejects when Redis does not answer.
   */
  rebase(modelClass: string): Promise<number>
}

/** What a job takes along into its queue. */
export interface Place {
  /** 1 to 2,097,151, counted from `base`; smaller goes first. */
  readonly place: number
  readonly base: number
  /** For `started`. */
  readonly tag: number
}
