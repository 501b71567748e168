import type { CascadeCheck, JobSpec, TokenUsage } from '@inferq/contracts'
import type { Provider } from '@inferq/providers'
import type { LogWriter } from '@inferq/tokenlog'

/** What an operation works with: one attempt of a job at one deployment. */
export interface OperationContext {
  readonly spec: JobSpec
  readonly provider: Provider
  /** The model's name at the upstream. */
  readonly upstreamModel: string
  /** Tokens of prompt and answer together, where known. */
  readonly contextWindow: number | undefined
  readonly writer: LogWriter
  readonly signal: AbortSignal
  /** What readers have of the answer already: go on after it. */
  readonly continueFrom?: string
  /** Nobody may see the answer before it has stood this check. */
  readonly verify?: CascadeCheck
  readonly meter: OutputMeter
  /** To be called with the first sign of output. */
  onFirstToken(): void
}

/** Output that has come so far, for the bill of an attempt that breaks off. */
export interface OutputMeter {
  characters: number
}

export type OperationResult = OperationAnswer | OperationRejection

export interface OperationAnswer {
  readonly kind: 'answer'
  /** Of this attempt's calls. */
  readonly usage: TokenUsage
  readonly finishReason?: string
  /** The whole answer; absent where the log's deltas are the answer and nobody keeps it. */
  readonly result?: unknown
}

/** The answer did not stand its check, and nobody has seen it. */
export interface OperationRejection {
  readonly kind: 'rejected'
  readonly usage: TokenUsage
  readonly reason: string
}

/** Makes the upstream calls of a job. Rejects with InferqError, or with the signal's reason. */
export type Operation = (context: OperationContext) => Promise<OperationResult>
