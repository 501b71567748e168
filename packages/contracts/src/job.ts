import type { ErrorDetail } from './errors.ts'
import type { JobStatus, TerminalStatus } from './job-state.ts'
import type { EndTimings, TokenUsage } from './log-entry.ts'

export const jobTypes = ['completion', 'embedding', 'summarization'] as const
export type JobType = (typeof jobTypes)[number]

export const tiers = ['priority', 'default', 'flex'] as const
export type Tier = (typeof tiers)[number]

/** What may serve a job: a model, the class whose queue it waits in, and the deployments a worker of it may call. */
export interface Candidate {
  readonly model: string
  readonly class: string
  readonly deployments: readonly string[]
  /** Only this kind of failure leads here. Absent: any does. */
  readonly after?: 'context_window' | 'content_policy'
  /** Its answer is looked over before anyone sees it (`JobSpec.cascade`), and the next model asked when it will not do. */
  readonly verify?: true
}

/** How a request came to its candidates: for the job's readers, logs, metrics and headers. Holds no content. */
export interface RouteNote {
  /** Of the deployments of a model; such as `simple-shuffle`. */
  readonly strategy: string
  /** The rule that chose the model: its name, or its place in the configuration, such as `routing[2]`. */
  readonly rule?: string
  /** What a split chose. */
  readonly variant?: string
  /** In words. */
  readonly reason: string
}

/** Signs by which an answer shows that a better model is needed. */
export const escalationSigns = ['refusal', 'truncation', 'invalid_json', 'invalid_tool_call', 'low_logprob'] as const
export type EscalationSign = (typeof escalationSigns)[number]

/** When the answer of a candidate with `verify` will not do. */
export interface CascadeCheck {
  readonly escalateOn: readonly EscalationSign[]
  /** Mean log probability of the answer's tokens below which `low_logprob` is seen. */
  readonly minLogprob?: number
  /** A condition over `output`, `finish_reason`, `completion_tokens` that a good answer meets. */
  readonly check?: string
}

/**
 * Which call of the upstream a job makes:
 * `chat` and `text` are OpenAI's two completion endpoints, `embeddings` the third; `summary` is made of chats.
 */
export type Operation = 'chat' | 'text' | 'embeddings' | 'summary'

/** Whose share of a class a job comes out of, and what it is expected to take of it. */
export interface JobShare {
  readonly tenant: string
  /** Of the tenant's share among those of its tier: 2 gets twice what 1 gets. */
  readonly weight: number
  /** Prompt and answer, estimated. */
  readonly tokens: number
}

/** Everything about a job that never changes, as accepted. Kept in Redis while it runs; never logged. */
export interface JobSpec {
  readonly id: string
  readonly type: JobType
  readonly operation: Operation
  /** The body as the client sent it, validated. */
  readonly request: Readonly<Record<string, unknown>>
  /** As the client named it; `candidates` say what serves. */
  readonly model: string
  /** In order of preference; `hop` of the live record says which one is tried. Never empty. */
  readonly candidates: readonly Candidate[]
  /** Absent: the model that was asked for, served as it stands in the configuration. */
  readonly route?: RouteNote
  readonly cascade?: CascadeCheck
  /** Who may see it: the id of the API key's owner. */
  readonly owner: string
  readonly tier: Tier
  /** Absent: its owner's, by a rough estimate. */
  readonly share?: JobShare
  /** An interactive job lives for the connection that waits for it; an asynchronous one is a row in Postgres first. */
  readonly mode: 'interactive' | 'async'
  /** A client waits for it on a connection: then it need not sit out a cooldown that nobody else can take it past. */
  readonly isAwaited?: true
  /** Ask the upstream for a stream, and write tokens to the log as they come. */
  readonly stream: boolean
  /** Keep the result after the end (Postgres, for the retention time). */
  readonly keepResult: boolean
  readonly createdAt: number
  /** Not started by then (ms epoch): expired. */
  readonly startBy: number
  /** Not ended by then (ms epoch): expired. */
  readonly finishBy: number
  readonly metadata: Readonly<Record<string, string>>
  readonly requestId: string
  /** Who is told of its end, and of which ends. */
  readonly webhook?: JobWebhook
  /** The job that this one runs again. */
  readonly retryOf?: string
  /** How long its log stays readable after the end, at least. In Redis alone: after a loss of Redis it is as for others. */
  readonly keepLogMs?: number
}

export const webhookEvents = ['job.completed', 'job.failed', 'job.cancelled', 'job.expired'] as const
export type WebhookEvent = (typeof webhookEvents)[number]

export interface JobWebhook {
  readonly url: string
  readonly events: readonly WebhookEvent[]
  /** Where clients reach this installation, for the URLs of the job in the event. Absent: they are paths. */
  readonly base?: string
}

/** One start of a job on a worker. Without `outcome` it still runs, or its worker was lost. */
export interface AttemptRecord {
  readonly attempt: number
  readonly hop: number
  readonly class: string
  readonly worker: string
  readonly startedAt: number
  readonly deployment?: string
  readonly endedAt?: number
  readonly outcome?: 'completed' | 'failed' | 'cancelled' | 'expired' | 'requeued' | 'retried' | 'fallback' | 'lost'
  readonly error?: ErrorDetail
  /** It went on where the attempt before it had stopped, instead of starting over. */
  readonly continued?: true
  readonly usage?: TokenUsage
  /** In 10^-9 USD. Null: the price is not known. Absent: nothing was counted. */
  readonly costNanoUsd?: number | null
}

/** The live state of a job in Redis, beside its specification. */
export interface JobRecord {
  readonly spec: JobSpec
  readonly status: JobStatus
  readonly hop: number
  /** Number of the latest attempt; 0 before the first. */
  readonly attempt: number
  /** Attempts that count against the bound: requeues are taken back. */
  readonly tries: number
  readonly cancelRequested: boolean
  readonly attempts: readonly AttemptRecord[]
}

/** What a worker reports for the record of truth. `start` is sent for asynchronous jobs only. */
export type OutcomeMessage = StartMessage | EndMessage

export interface StartMessage {
  readonly kind: 'start'
  readonly jobId: string
  readonly attempt: number
  readonly at: number
}

export interface EndMessage {
  readonly kind: 'end'
  readonly jobId: string
  readonly status: TerminalStatus
  readonly type: JobType
  readonly operation: Operation
  readonly mode: 'interactive' | 'async'
  readonly tier: Tier
  readonly owner: string
  /** As the client named it. */
  readonly model: string
  /** The model that served it last. */
  readonly servedModel: string
  /** The models of its candidates, by hop. Absent: there was one. */
  readonly models?: readonly string[]
  readonly class: string
  readonly requestId: string
  readonly metadata: Readonly<Record<string, string>>
  readonly createdAt: number
  readonly endedAt: number
  readonly attempts: readonly AttemptRecord[]
  readonly deployment?: string
  readonly timings?: EndTimings
  readonly usage?: TokenUsage
  /** In 10^-9 USD. Null: the price is not known. */
  readonly costNanoUsd: number | null
  readonly route?: RouteNote
  readonly error?: ErrorDetail
  readonly finishReason?: string
  /** Present when the job keeps its result. */
  readonly result?: unknown
}
