import type { JobView } from '@inferq/contracts'
import type { LedgerCall } from '../system/system.ts'

/** What clients of a system under fire have seen, as far as it was acknowledged to them. Times in ms since the epoch. */
export interface History {
  /** Every submit that was answered with a 2xx. */
  readonly accepted: readonly AcceptedJob[]
  /** Every stream of events anybody has read, in the order of its events. A reader that reconnects is one reader. */
  readonly readers: readonly ReaderHistory[]
  /** What the system says of each accepted job when all is over; absent: it knows of none. */
  readonly jobs: ReadonlyMap<string, JobView>
  /**
   * What Postgres says of each accepted job when all is over; absent: it knows of none. The system answers from Redis for some
   * minutes after an end, and from here for good.
   */
  readonly records: ReadonlyMap<string, JobRow>
  /** Rows of the bill, by job. */
  readonly usage: ReadonlyMap<string, readonly UsageRow[]>
  /** Calls that the upstream has answered to their end, by job (the request named it). */
  readonly upstream: ReadonlyMap<string, readonly UpstreamCall[]>
  /** Every request anybody made, answered or not. */
  readonly requests: readonly ClientRequest[]
  /** Every call the upstream has seen, by the `user` of its request, oldest first. */
  readonly calls: ReadonlyMap<string, readonly LedgerCall[]>
  /** What each attempt has used and cost, by job. */
  readonly attempts: ReadonlyMap<string, readonly AttemptRow[]>
  /** When Redis lost what it held: what was interactive then may be lost with it (docs/guarantees.md). */
  readonly redisLosses: readonly Span[]
  /** When anything at all was not as it should be; absent: nobody knows, and nothing is judged by its time. */
  readonly disturbances?: readonly Span[]
  /** What the models cost, nano-USD a token. */
  readonly prices: ReadonlyMap<string, { readonly input: number; readonly output: number }>
}

/** Times in ms since the epoch. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** One HTTP exchange, as its client saw it. */
export interface ClientRequest {
  readonly client: string
  readonly kind: 'submit' | 'stream' | 'whole' | 'embedding' | 'events' | 'view' | 'cancel' | 'leave'
  /** The `user` of the request, by which the upstream knows it. */
  readonly user?: string
  /** Its Idempotency-Key. */
  readonly key?: string
  /** Of the path, the answer's headers or its body; absent where there was none. */
  readonly jobId?: string
  readonly startedAt: number
  /** Null: it never ended. */
  readonly endedAt: number | null
  /** Null: no answer came, the connection was refused or cut. */
  readonly status: number | null
  /** Of a 429 or 503. */
  readonly retryAfter?: string
  /**
   * How the body ended: `whole`; `terminal`: a stream with its terminal event; `error`: a stream that says why it ends;
   * `silent`: a stream that just ended; `cut`: the connection broke; `left`: the client went away.
   */
  readonly ended: 'whole' | 'terminal' | 'error' | 'silent' | 'cut' | 'left' | null
  /** Text that a stream or an answer brought, where there was any. */
  readonly text?: string
  /** The text that the upstream was told to answer; absent: it could choose. */
  readonly expected?: string
  /** Of the error envelope, or of the error in a stream; null: a 4xx or 5xx whose body is no envelope. */
  readonly errorCode?: string | null
  /** What is wrong with the form of the answer. */
  readonly malformed?: string
  /** Of a cancel. */
  readonly outcome?: string
  /** As the answer's headers tell it. */
  readonly costNanoUsd?: number
}

export interface AcceptedJob {
  readonly jobId: string
  readonly acceptedAt: number
  readonly user?: string
  /** The text that the upstream was told to answer; absent: it could choose. */
  readonly expected?: string
}

export interface ReaderHistory {
  readonly reader: string
  readonly jobId: string
  readonly events: readonly ReadEvent[]
  /** When each of them came, ms since the epoch. */
  readonly times?: readonly number[]
  /** The stream ended after its terminal event. */
  readonly isComplete: boolean
}

export interface ReadEvent {
  /** `<attempt>-<seq>`; empty: it came without one, and is no place to read on from. */
  readonly id: string
  readonly event: string
  /** Of an `output.delta`. */
  readonly text?: string
  /** Hash of the data of any other event. */
  readonly digest?: string
}

export interface JobRow {
  readonly status: string
  /** Of the answer that is kept; null: there is none, or it is no text. */
  readonly text: string | null
}

export interface UsageRow {
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  readonly costNanoUsd: number | null
  /** Counted by inferq because the upstream did not say. */
  readonly estimated?: boolean
}

/** What one attempt used and cost, as recorded. */
export interface AttemptRow {
  /** Its number in the log, which goes on over losses of Redis; a job's view counts them anew. */
  readonly attempt: number
  /** That served it. */
  readonly model: string | null
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  readonly costNanoUsd: number | null
  readonly outcome: string | null
}

export interface UpstreamCall {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** The promise that was broken, and how it shows. */
export interface Violation {
  readonly rule: Rule
  /** The job; where there is none, the request by its user or client. */
  readonly jobId: string
  readonly detail: string
  /** When it happened, where that is not just the life of the job. */
  readonly span?: Span
}

/** Each rule, and the promise of the product (docs/guarantees.md) that is broken with it. */
export const promiseOf = {
  'accepted-is-kept': 1,
  'same-key-same-job': 1,
  'ends-once': 2,
  'terminal-event-once': 2,
  'nothing-after-the-end': 2,
  'streams-end-in-words': 2,
  'cancelled-stays-cancelled': 2,
  'text-is-the-answer': 3,
  'text-is-the-upstreams': 3,
  'billed-once': 3,
  'bill-is-the-upstreams': 3,
  'answer-is-billed': 3,
  'superseded-is-not-billed': 3,
  'money-is-right': 3,
  'ids-ascend': 4,
  'no-gap': 4,
  'readers-agree': 4,
  'left-is-stopped': 7,
  'nothing-hangs': 8,
  'refusals-say-when': 8,
  'right-is-not-refused': 8,
  'no-internal-error': 8,
  'answers-are-well-formed': 8,
} as const satisfies Readonly<Record<string, 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8>>

export type Rule = keyof typeof promiseOf
export const rules = Object.keys(promiseOf) as readonly Rule[]
