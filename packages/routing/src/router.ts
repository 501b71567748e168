import type { Deployment, InferqConfig } from '@inferq/config'
import type { Candidate, CascadeCheck, ErrorDetail, Operation, RouteNote } from '@inferq/contracts'
import type { Circuit, LiveDeployments } from './live-deployments.ts'

/** What a decision is made of. Identity wins over what the request says of itself. */
export interface RouteRequest {
  /** As the client named it. */
  readonly model: string
  readonly operation: Operation
  /** The validated body. Never changed. */
  readonly body: Readonly<Record<string, unknown>>
  readonly caller: {
    /** Id of the key, its user and team, where known. */
    readonly key?: string
    readonly user?: string
    readonly team?: string
    /** Of the key: `user_tier`, `task_type`, `feature`, `tags` in it win over the request's. */
    readonly metadata: Readonly<Record<string, unknown>>
  }
  /** Of the request: the body's `metadata`, a job's `metadata`; `tags` in it count. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** Lower-case: `x-inferq-user-tier`, `-task-type`, `-feature`, `-tags` (comma separated), `-max-cost` (USD), `-session`. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** ms since the epoch */
  readonly now: number
  /** In [0, 1). */
  readonly random: () => number
}

export type RouteDecision =
  | {
      readonly kind: 'candidates'
      /** At least one, in the order they are to be tried; those whose deployments are all open come last, if at all. */
      readonly candidates: readonly Candidate[]
      readonly note: RouteNote
      readonly cascade?: CascadeCheck
      /** Of prompt and answer, roughly: what the job's tenant is charged with at first. */
      readonly expectedTokens: number
    }
  /**
   * model_not_found, invalid_value (the model answers another kind of request), context_length_exceeded,
   * cost_limit_exceeded, no_deployment (tags), circuit_open (with retryAfterSeconds; only when `refuseOpen` is set).
   */
  | { readonly kind: 'refused'; readonly error: ErrorDetail }

/** How a decision came about, step by step, as `POST /v1/route/explain` shows it. */
export interface RouteTrace {
  readonly facts: Readonly<Record<string, unknown>>
  readonly rules: readonly {
    readonly rule: string
    readonly place: string
    readonly outcome: 'matched' | 'skipped' | 'not_reached'
    readonly reason: string
  }[]
  readonly deployments: readonly {
    readonly deployment: string
    readonly model: string
    readonly class: string
    readonly outcome: 'chosen' | 'eligible' | 'left_out'
    readonly reason: string
    readonly circuit: Circuit
    /** In USD, for this request; null: the price is not known. */
    readonly estimatedCostUsd: number | null
  }[]
  /** Models in the order they would be tried, and which failure leads to each. */
  readonly fallbacks: readonly { readonly model: string; readonly class: string; readonly after: string }[]
  readonly estimate: {
    readonly promptTokens: number
    readonly completionTokens: number
    readonly costUsd: number | null
  }
}

/** The rules of one configuration, compiled once. Pure: everything that changes is handed in. */
export interface Router {
  /** `refuseOpen`: refuse at once when all circuits are open, and none of them will let a probe through for ten seconds. */
  route(request: RouteRequest, live: LiveDeployments, options?: { readonly refuseOpen?: boolean }): RouteDecision
  /** The same decision, by the same code, and how it came about. */
  explain(
    request: RouteRequest,
    live: LiveDeployments,
    options?: { readonly refuseOpen?: boolean },
  ): { readonly decision: RouteDecision; readonly trace: RouteTrace }
  /**
   * A candidate's deployments in the order a worker is to try them: by the strategy of the job, those that have failed this
   * job (`avoid`) last; those with an open circuit left out, as are those at their limit. Half-open ones are in it.
   */
  order(
    candidate: Candidate,
    strategy: string | undefined,
    live: LiveDeployments,
    chance: { readonly random: () => number; readonly now: number },
    avoid?: readonly string[],
  ): readonly Deployment[]
  /** All of a candidate's deployments that the configuration (still) has, whatever their state. */
  deploymentsOf(candidate: Candidate): readonly Deployment[]
  deployment(id: string): Deployment | undefined
  /** The name at the upstream for this public name: a wildcard's `*` filled in. */
  upstreamModel(deployment: Deployment, model: string): string
  /** Whether a client may name it: a model, an alias, something a wildcard matches. */
  knows(model: string): boolean
}

export type CreateRouter = (config: InferqConfig) => Router
