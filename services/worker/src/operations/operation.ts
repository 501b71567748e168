import type { JobSpec, TokenUsage } from '@inferq/contracts'
import type { Provider } from '@inferq/providers'
import type { LogWriter } from '@inferq/tokenlog'

/** What an operation works with: one attempt of a job at one deployment. */
export interface OperationContext {
  readonly spec: JobSpec
  readonly provider: Provider
  /** Tokens of prompt and answer together, where known. */
  readonly contextWindow: number | undefined
  readonly writer: LogWriter
  readonly signal: AbortSignal
  /** To be called with the first sign of output. */
  onFirstToken(): void
}

export interface OperationResult {
  readonly usage: TokenUsage
  readonly finishReason?: string
  /** The whole answer; absent where the log's deltas are the answer and nobody keeps it. */
  readonly result?: unknown
}

/** Makes the upstream calls of a job. Rejects with InferqError, or with the signal's reason. */
export type Operation = (context: OperationContext) => Promise<OperationResult>
