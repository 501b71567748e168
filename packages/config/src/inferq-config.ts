import type { Capabilities, Price } from '@inferq/catalog'
import type { EscalationSign } from '@inferq/contracts'
import type { Fault } from './fault.ts'

/** The wires that `providers` has an adapter for. */
export const wireNames = ['openai', 'vllm', 'ollama', 'anthropic', 'gemini', 'bedrock', 'cohere'] as const
export type WireName = (typeof wireNames)[number]

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

/** How much of several embeddings jobs may go in one call. */
export interface EmbeddingBatchSettings {
  /** Inputs. */
  readonly maxItems?: number
  /** Of all inputs together. */
  readonly maxTokens?: number
}

/** One concrete upstream. Two deployments with the same `model` are a model group. */
export interface Deployment {
  /** Stable over restarts and reorderings of others: `<model>/<provider>/<upstreamModel>`, `#2` and so on for repetitions. */
  readonly id: string
  /** The public name a client sends; may hold one `*`. */
  readonly model: string
  /** LiteLLM's name of the provider: `openai`, `together_ai`, `anthropic`, … One of `providerFamilies`. */
  readonly provider: string
  /** How to speak to it. */
  readonly wire: WireName
  /** The model's name at the upstream. A `*` in it stands for what the `*` of `model` matched. */
  readonly upstreamModel: string
  /** Without a slash at its end. For `openai` and `vllm` it includes `/v1`, for `ollama` it is the server's root. */
  readonly baseUrl: string
  /** A secret: never printed, see `maskConfig`. */
  readonly apiKey?: string
  /** What a provider needs beside a key (`aws_region_name`, `aws_secret_access_key`, `api_version`, `organization`…). Secrets. */
  readonly credentials: Readonly<Record<string, string>>
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
  /** Lower is tried before higher, whatever the strategy; without one: last. */
  readonly order?: number
  /** With tag filtering, only requests that carry one of these come here (`default`: those that carry none). */
  readonly tags: readonly string[]
  /** What the upstream allows, over all of inferq's processes together. */
  readonly limits: { readonly rpm?: number; readonly tpm?: number; readonly maxParallel?: number }
  /** As given; `embeddingCapsOf` knows the rest. */
  readonly embeddingBatch?: EmbeddingBatchSettings
  /** Absent: not known, which is never the same as nothing. */
  readonly price?: Price
  /** Longest answer, in tokens. */
  readonly maxOutputTokens?: number
  readonly capabilities: Capabilities
  /** `model_info` as it was given, for those who ask; never secrets. */
  readonly info: Readonly<Record<string, unknown>>
  readonly source: 'file' | 'database' | 'detected'
}

/** A public model and everything that serves it, in the order of the file. */
export interface ModelEntry {
  /** May hold one `*`: then it serves every name that fits and that no other entry has literally. */
  readonly name: string
  readonly mode?: DeploymentMode
  readonly deployments: readonly Deployment[]
}

export interface ClassConfig {
  /** Jobs at once over one worker process. */
  readonly concurrency: number
  /** Jobs that may wait before new ones are refused; those that were accepted never are. */
  readonly maxQueue: number
  /** How long its model takes to load, and another one's to make room. Absent: nobody has said. */
  readonly swapCostSeconds?: number
  readonly options: Readonly<Record<string, unknown>>
}

export const strategies = [
  ...(['simple-shuffle', 'round-robin', 'least-busy', 'latency-based', 'usage-based', 'cost-optimized'] as const),
  'hybrid',
] as const
/** How one of a model's deployments is chosen. */
export type Strategy = (typeof strategies)[number]

/** What the heuristic tells apart. */
export const requestKinds = ['simple', 'code', 'reasoning', 'long'] as const
export type RequestKind = (typeof requestKinds)[number]

/** One rule of `routing`; the first that matches decides. All parts of `when` have to hold; none: it always matches. */
export interface RoutingRule {
  /** Its `name`, or its place in the list, such as `routing[2]`. Unique. */
  readonly id: string
  /** `file:line` */
  readonly place: string
  readonly when: {
    /** CEL; checked at load. See `parseCondition`. */
    readonly condition?: string
    readonly task?: string
    readonly feature?: string
    /** The request carries one of these. */
    readonly tags?: readonly string[]
  }
  readonly to: RuleTarget
  readonly strategy?: Strategy
  /** Deployments that would cost more for this request are left out, as are those of unknown price. In USD. */
  readonly maxCostUsd?: number
}

export type RuleTarget =
  /** The model the client named: the rule only sets `strategy` or `maxCostUsd`. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'model'; readonly model: string }
  | {
      readonly kind: 'split'
      /** Relative to each other. */
      readonly shares: readonly { readonly model: string; readonly weight: number }[]
      /** Whose requests all go the same way. Default `user`; without one, each request is drawn by itself. */
      readonly stickyBy: 'user' | 'key' | 'team' | 'session' | 'none'
    }
  /** By what the request looks like; `simple` serves kinds that are not named. */
  | { readonly kind: 'heuristic'; readonly models: Readonly<{ simple: string } & Partial<Record<RequestKind, string>>> }
  /** Cheapest first; at least two. */
  | {
      readonly kind: 'cascade'
      readonly models: readonly string[]
      readonly escalateOn: readonly EscalationSign[]
      readonly minLogprob?: number
      /** CEL over `output`, `finish_reason`, `completion_tokens`; a good answer meets it. */
      readonly check?: string
    }

export interface RoutingConfig {
  readonly rules: readonly RoutingRule[]
  readonly strategy: Strategy
  /** Of `hybrid`: how much each counts. */
  readonly hybridWeights: { readonly cost: number; readonly latency: number; readonly load: number }
  /** Other names of models. */
  readonly aliases: Readonly<Record<string, { readonly model: string; readonly hidden: boolean }>>
  /** By model: where to go after which failure, in order. Every name exists; following `any` leads nowhere twice. */
  readonly fallbacks: {
    readonly any: Readonly<Record<string, readonly string[]>>
    readonly contextWindow: Readonly<Record<string, readonly string[]>>
    readonly contentPolicy: Readonly<Record<string, readonly string[]>>
    /** For models without an `any` of their own. */
    readonly otherwise: readonly string[]
  }
  /** Models tried after the first, at most. */
  readonly maxFallbacks: number
  /** Deployments' tags count. */
  readonly tagFiltering: boolean
}

/** When a deployment is left alone for a while. */
export interface BreakerConfig {
  /** Consecutive failures that open the circuit. */
  readonly allowedFails: number
  readonly cooldownSeconds: number
  /** In [0, 1]: share of failed calls within the window that opens it, from `minCalls` on. */
  readonly failureRate: number
  readonly minCalls: number
  readonly windowSeconds: number
  readonly enabled: boolean
}

/** Attempts at one candidate, by what went wrong; what is not named has `workers.maxAttempts`. */
export type RetryKind = 'timeout' | 'rate_limit' | 'content_policy' | 'server' | 'authentication' | 'bad_request'

export interface HealthCheckConfig {
  readonly background: boolean
  readonly intervalSeconds: number
  /** Of one check. */
  readonly timeoutSeconds: number
}

/** Where uploaded files and the outputs of batches are kept. Storage is chosen at the start; bounds may change later. */
export interface FilesConfig {
  readonly storage: /** Without a path: below the data directory. */
    | { readonly kind: 'local'; readonly path?: string }
    | {
        readonly kind: 's3'
        readonly bucket: string
        /** Without a slash at its end. */
        readonly endpoint: string
        readonly region: string
        /** Secrets. */
        readonly accessKeyId: string
        readonly secretAccessKey: string
      }
  readonly maxFileBytes: number
  /** After their making; 0: for ever. Absent: 30 days for inputs and outputs of batches, the others for ever. */
  readonly ttlSeconds?: number
}

export interface WebhooksConfig {
  /** Whether they may go to private addresses: all, or those in these networks (CIDR). */
  readonly allowPrivate: boolean | readonly string[]
  /** The only ports; empty: any. */
  readonly ports: readonly number[]
  /** Of one attempt, looking the name up included. */
  readonly timeoutSeconds: number
  readonly maxAttempts: number
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
    /** How long a turn of a conversation waits for the worker that served the one before; 0: not at all. */
    readonly affinityMs: number
    /** How many models a backend can hold at once. Absent: it is found out. */
    readonly maxLoadedModels?: number
    /** How long a backend keeps a model that has work, where several take turns. */
    readonly modelDwellSeconds?: number
    /** A job that has waited so long gets its model's turn whatever loading costs. */
    readonly modelAgeingSeconds?: number
  }
  readonly retention: {
    readonly resultSeconds: number
    /** Of jobs that ended without a result, to run them again; those of completed jobs go with the end. 0: all do. */
    readonly promptSeconds: number
    readonly spendSeconds: number
  }
  readonly limits: { readonly bodyBytes: number }
  readonly files: FilesConfig
  readonly routing: RoutingConfig
  readonly breaker: BreakerConfig
  readonly retries: { readonly attempts: Readonly<Partial<Record<RetryKind, number>>>; readonly minWaitSeconds: number }
  readonly healthChecks: HealthCheckConfig
  readonly webhooks: WebhooksConfig
  /** Of a class, among the tenants who want some of it: what weighs 2 gets twice what weighs 1. */
  readonly shares: {
    /** Of tenants that are not named. */
    readonly defaultWeight: number
    readonly tenantWeights: Readonly<Record<string, number>>
  }
  /** The model of a request that may leave it out (summarizations). */
  readonly defaultModel?: string
  /** A secret. Absent: only a loopback address may be served. */
  readonly masterKey?: string
  /** A secret (it holds a password). From the file; the environment's DATABASE_URL serves where it says nothing. */
  readonly databaseUrl?: string
  /** Of everything that decides how requests are served, secrets included: equal on processes that do the same. Hex. */
  readonly fingerprint: string
  /** Rows of the database that cannot serve, and why; the others do. */
  readonly overlayFaults: readonly Fault[]
  /** Keys of the file that this version does not act on, as `key (file:line)`, to be said once at start. */
  readonly unused: readonly string[]
}
