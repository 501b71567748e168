/** Upstreams that this version can speak to. */
export const providerNames = ['openai', 'vllm', 'ollama'] as const
export type ProviderName = (typeof providerNames)[number]

/** What a deployment answers; not known where a file does not say. */
export type DeploymentMode = 'chat' | 'embedding'

/** Deadlines of one upstream call, in ms. */
export interface DeploymentTimeouts {
  readonly connectMs: number
  /** From the request to its first token (or, not streaming, to the first byte of the answer). */
  readonly firstTokenMs: number
  /** Between two tokens. */
  readonly idleMs: number
  /** The whole call. */
  readonly totalMs: number
}

/** One concrete upstream. Two deployments with the same `model` are a model group. */
export interface Deployment {
  /** Stable over restarts and reorderings of others: `<model>/<provider>/<upstreamModel>`, `#2` and so on for repetitions. */
  readonly id: string
  /** The public name a client sends. */
  readonly model: string
  readonly provider: ProviderName
  /** The model's name at the upstream. */
  readonly upstreamModel: string
  /** Without a slash at its end. For `openai` and `vllm` it includes `/v1`, for `ollama` it is the server's root. */
  readonly baseUrl: string
  /** A secret: never printed, see `maskConfig`. */
  readonly apiKey?: string
  /** The model class whose queue its jobs wait in. */
  readonly class: string
  readonly mode?: DeploymentMode
  /** Share of its model group's traffic, relative to the others. At least 0; never all of a group. */
  readonly weight: number
  /** Request parameters for what the client did not say, under OpenAI's names (`temperature`, `max_tokens`, …). */
  readonly defaults: Readonly<Record<string, unknown>>
  readonly timeouts: DeploymentTimeouts
  /** Tokens of prompt and answer together. */
  readonly contextWindow?: number
  /** Load options of a local backend, from its class (Ollama's `num_ctx`, `keep_alive`, …); a client cannot change them. */
  readonly options: Readonly<Record<string, unknown>>
  /** Extra headers of the upstream call. May hold secrets. */
  readonly headers: Readonly<Record<string, string>>
  /** The answers are made up by the built-in simulator, and say so. */
  readonly simulated: boolean
}

/** A public model and everything that serves it, in the order of the file. */
export interface ModelEntry {
  readonly name: string
  readonly mode?: DeploymentMode
  readonly deployments: readonly Deployment[]
}

export interface ClassConfig {
  /** Jobs at once over one worker process. */
  readonly concurrency: number
  readonly options: Readonly<Record<string, unknown>>
}

export interface InferqConfig {
  readonly deployments: readonly Deployment[]
  readonly models: readonly ModelEntry[]
  /** Every class that a deployment names, by name. */
  readonly classes: Readonly<Record<string, ClassConfig>>
  readonly workers: {
    /** How long a job stays a worker's without a sign of life. */
    readonly lockSeconds: number
    readonly stalledSeconds: number
    /** Attempts that count (requeues do not). */
    readonly maxAttempts: number
    /** How long a stopping worker lets its jobs go on. */
    readonly drainSeconds: number
  }
  readonly retention: {
    readonly resultSeconds: number
    /** 0: prompts are not kept. */
    readonly promptSeconds: number
    readonly spendSeconds: number
  }
  readonly limits: { readonly bodyBytes: number }
  /** The model of a request that may leave it out (summarizations). */
  readonly defaultModel?: string
  /** A secret. Absent: only a loopback address may be served. */
  readonly masterKey?: string
  /** A secret (it holds a password). From the file; the environment's DATABASE_URL serves where it says nothing. */
  readonly databaseUrl?: string
  /** Keys of the file that this version does not act on, as `key (file:line)`, to be said once at start. */
  readonly unused: readonly string[]
}
