import type { WireName } from '@inferq/config'
import type { ChoiceDelta, TokenUsage } from '@inferq/contracts'

/** One concrete upstream: where a deployment's calls go, and how. */
export interface Upstream {
  /** The deployment's id, as in logs and attempts. */
  readonly id: string
  /** LiteLLM's name of the provider: its family's quirks are kept to. */
  readonly provider: string
  readonly wire: WireName
  /** The model's id over there; it replaces the public name of the request. */
  readonly model: string
  /**
   * openai, vllm: the address an OpenAI SDK would be given; `/v1` is added when it has no path, unless the provider's own has
   * none. Azure: the resource's, or one that ends in `/openai/v1`. ollama: the server's address; a trailing `/v1` or `/api` is
   * ignored. anthropic ends in `/v1`, gemini in `/v1beta`, cohere in `/v2`, bedrock has no path.
   */
  readonly baseUrl: string
  readonly apiKey?: string
  /** What the provider's family names beside a key: regions, API versions, AWS keys. */
  readonly credentials?: Readonly<Record<string, string>>
  /** Sent with every call; they win over our own. */
  readonly headers?: Readonly<Record<string, string>>
  /** Fields of the request the client left out or set to null. The client's value wins. */
  readonly defaults?: Readonly<Record<string, unknown>>
  /**
   * Ollama's load options (`num_ctx`, `keep_alive`, …). Another value reloads the model, so they belong to the class and are
   * the same for every call; a client cannot set them.
   */
  readonly options?: Readonly<Record<string, unknown>>
  readonly timeouts: UpstreamTimeouts
}

export interface UpstreamTimeouts {
  /** To an established connection. */
  readonly connectMs: number
  /** From the call to the first token of a stream. Waiting for a free connection counts. */
  readonly firstTokenMs: number
  /** Between two tokens of a stream, or two pieces of a whole answer. Comments of a stream do not count. */
  readonly idleMs: number
  /** From the call to the end of a whole answer, which begins to come when the model is done. Default 600,000. */
  readonly responseMs?: number
}

export interface ProviderCall {
  /** The body as the client sent it, validated by its schema. Never changed here. */
  readonly request: Readonly<Record<string, unknown>>
  /** Ask the upstream for a stream and tell the sink; otherwise `result` of the outcome is the answer. */
  readonly stream: boolean
  /** Ends the call and destroys its connection; the call then rejects with the signal's reason. Carries the deadline. */
  readonly signal: AbortSignal
  readonly requestId: string
  /** The model's id over there where it is not the upstream's: what a wildcard matched. */
  readonly model?: string
  /**
   * The answer's beginning, as another deployment has given it: the upstream goes on after it, and the sink hears only what
   * is new. Only for a chat with one choice, of a provider with `continuesPrefix`.
   */
  readonly continueFrom?: string
}

/**
 * Where a streamed answer goes, synchronously and in order. What it throws ends the call and destroys the connection; the
 * call rejects with it.
 */
export interface CompletionSink {
  /** Text of the first choice, never empty. */
  text(text: string): void
  /** Everything else: tool calls, reasoning, refusals, log probabilities, other choices, finish reasons. Never empty. */
  deltas(deltas: readonly ChoiceDelta[]): void
}

export interface CompletionOutcome {
  /** The whole OpenAI object, fields as the upstream sent them; absent after a stream. */
  readonly result?: Readonly<Record<string, unknown>>
  /** Of the first choice. */
  readonly finishReason?: string
  readonly usage: TokenUsage
}

export interface EmbeddingOutcome {
  /** OpenAI's embeddings object, one item of `data` for each input. */
  readonly result: Readonly<Record<string, unknown>>
  readonly usage: TokenUsage
}

/** What a serving engine says of itself at this moment, for one of its models. */
export interface EngineLoad {
  /** As it is served there; empty where that is not told. */
  readonly model: string
  readonly waiting: number
  readonly running: number
  /** Share of the KV cache in use, 0 to 1. */
  readonly kvUsage: number | undefined
  /** Requests thrown out of the KV cache since it started. */
  readonly preemptions: number
}

/**
 * Calls of one upstream. Every failure is an InferqError with a code of the contracts' table (which says whether another
 * try makes sense), except an aborted signal's reason and what a sink threw: these come through as they are.
 */
export interface Provider {
  /** It can go on with a given beginning of an answer. */
  readonly continuesPrefix: boolean
  /** A chat completion, from OpenAI's request. */
  chat(call: ProviderCall, sink: CompletionSink): Promise<CompletionOutcome>
  /** A legacy text completion, from OpenAI's request. */
  text(call: ProviderCall, sink: CompletionSink): Promise<CompletionOutcome>
  embed(call: Omit<ProviderCall, 'stream'>): Promise<EmbeddingOutcome>
  /** Makes the smallest call that shows whether the deployment serves; rejects as `chat` and `embed` do. */
  probe(options: {
    readonly mode: 'chat' | 'embedding'
    readonly signal: AbortSignal
    readonly model?: string
  }): Promise<void>
  /** The load of the upstream's engine, of every model it has; absent where the wire has no way to ask. Rejects as `chat` does. */
  readLoad?(signal: AbortSignal): Promise<readonly EngineLoad[]>
  /** Destroys the connections. Calls still in flight reject with `upstream_interrupted`. */
  close(): Promise<void>
}

export interface ProviderDependencies {
  /** Connections to the upstream, opened as needed. Further calls wait for a free one. Default 1,024. */
  readonly connections?: number
  /** Longest answer taken, in bytes as they arrive: `output_too_large` beyond. Default 128 MiB. */
  readonly maxResponseBytes?: number
}
