import type { JobView } from '@inferq/contracts'

/** What clients of a system under fire have seen, as far as it was acknowledged to them. Times in ms since the epoch. */
export interface History {
  /** Every submit that was answered with a 2xx. */
  readonly accepted: readonly AcceptedJob[]
  /** Every stream of events anybody has read, in the order of its events. A reader that reconnects is one reader. */
  readonly readers: readonly ReaderHistory[]
  /** What the system says of each accepted job when all is over; absent: it knows of none. */
  readonly jobs: ReadonlyMap<string, JobView>
  /** Rows of the bill, by job. */
  readonly usage: ReadonlyMap<string, readonly UsageRow[]>
  /** Calls that the upstream has answered to their end, by job (the request named it). */
  readonly upstream: ReadonlyMap<string, readonly UpstreamCall[]>
}

export interface AcceptedJob {
  readonly jobId: string
  readonly acceptedAt: number
}

export interface ReaderHistory {
  readonly reader: string
  readonly jobId: string
  readonly events: readonly ReadEvent[]
  /** The stream was closed by the server after its terminal event. */
  readonly isComplete: boolean
}

export interface ReadEvent {
  /** `<attempt>-<seq>` */
  readonly id: string
  readonly event: string
  /** Of an `output.delta`. */
  readonly text?: string
}

export interface UsageRow {
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  readonly costNanoUsd: number | null
}

export interface UpstreamCall {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** The promise that was broken, and how it shows. */
export interface Violation {
  readonly rule: Rule
  readonly jobId: string
  readonly detail: string
}

export const rules = [
  'accepted-is-kept',
  'ends-once',
  'terminal-event-once',
  'nothing-after-the-end',
  'ids-ascend',
  'no-gap',
  'readers-agree',
  'text-is-the-answer',
  'billed-once',
  'bill-is-the-upstreams',
] as const
export type Rule = (typeof rules)[number]
