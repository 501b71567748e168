import type { History, Span } from '../history/history.ts'
import type { System } from '../system/system.ts'

/**
 * Clients of all kinds, at once: asynchronous jobs with readers that come and go at any ingress, interactive requests
 * streamed and not, embeddings, clients that leave in the middle, retries with an Idempotency-Key, cancels. They behave as
 * documented: a refused connection, a 503 or a 429 is tried again after its Retry-After, at another ingress.
 */
export interface Load {
  /** Begins; resolves at once. */
  start(): void
  /** Jobs acknowledged until now, and requests answered. */
  readonly counts: { readonly accepted: number; readonly answered: number; readonly refused: number }
  /** Starts nothing new; resolves when every client has come to its end, or has hung for `patienceMs`. */
  stop(patienceMs: number): Promise<void>
  /**
   * What was seen, and what the system says now that all is over. Looks straight into Postgres for the bill. Everything has
   * to be healed by then. Rejects when the system does not answer.
   */
  history(faults?: KnownFaults): Promise<History>
}

/** What only who injects faults can tell. Times in ms since the epoch. */
export interface KnownFaults {
  /** When Redis lost what it held: from before the first byte was gone until it served again. Default: never. */
  readonly redisLosses?: readonly Span[]
  /** Each fault, from before its injection until it was healed. Absent: what is judged by its time is not judged. */
  readonly disturbances?: readonly Span[]
}

/** In ms. */
export interface Patience {
  /** A whole answer takes no longer, whatever happens; a stream of events may. */
  readonly wholeMs: number
  /** Between two signs of life of an answer. */
  readonly silentMs: number
  /** After the load, for what is on its way: outcomes to Postgres, cancelled calls to their end. */
  readonly settleMs: number
}

export interface LoadOptions {
  readonly system: System
  readonly seed: number
  /** Clients of each kind. */
  readonly clients: {
    readonly async: number
    readonly streaming: number
    readonly whole: number
    readonly embedding: number
    readonly leaving: number
  }
  /** Tokens of an answer and ms between them, drawn for each request. */
  readonly tokens: readonly [min: number, max: number]
  readonly interTokenMs: readonly [min: number, max: number]
  /** Whom chats go to, each as likely. Default: those of the system's usual configuration, mostly the one with a fallback. */
  readonly chatModels?: readonly string[]
  /** Of the readers of a job, how many cancel it. Default 0.12. */
  readonly cancelShare?: number
  /** Default: what a client under faults may have to wait for. */
  readonly patience?: Partial<Patience>
  /** What the models cost, nano-USD a token. Default: those of the system's usual configuration. */
  readonly prices?: History['prices']
}
