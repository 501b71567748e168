import type { Tier } from '@inferq/contracts'
import type { Service } from '@inferq/runtime'
import type { Demand } from './class-clock.ts'

/** The share of every tenant in every model class, as all processes together know it: from memory, told every moment. */
export interface Shares extends Service {
  /**
   * To be awaited before a class is used that this process has not heard of lately, or it would take everybody there for new.
   * Undefined: it has. Never rejects; resolves within a quarter of a second.
   */
  ready(modelClass: string): Promise<void> | undefined
  /** Where a job stands in its class, and charges its tenant for it. No I/O. */
  place(modelClass: string, demand: Demand): Place
  /** The place of a job that stands there, as the class is numbered now. No I/O. */
  placeOf(modelClass: string, at: number): number
  /** A job of this tier that stood there was started. */
  started(modelClass: string, tier: Tier, at: number): void
  /** It has ended, or left the class: what it really took, and for how long it held a slot. */
  ended(modelClass: string, demand: Demand, took: { readonly tokens: number; readonly seconds: number }): void
  /** It has left the line without having been taken: its tenant is charged nothing for it. */
  left(modelClass: string, demand: Demand): void
  /** How long a job of the class holds a slot, in the mean; null as long as nobody knows. */
  meanSeconds(modelClass: string): number | null
  /**
   * Moves the base of the class's numbers when its clock is far from it: who waits has to be renumbered then. Gives the base
   * in force. Rejects when Redis does not answer.
   */
  rebase(modelClass: string): Promise<number>
}

/** What a job takes along into its queue. */
export interface Place {
  /** In the class's virtual time, for good. */
  readonly at: number
  /** As the class is numbered now: 1 to 2,097,151, smaller goes first. */
  readonly place: number
}
