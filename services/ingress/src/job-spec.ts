import type {
  Candidate,
  CascadeCheck,
  JobShare,
  JobSpec,
  JobType,
  JobWebhook,
  Operation,
  RouteNote,
  Tier,
} from '@inferq/contracts'

/** Body of a request after validation. */
export type RequestBody = Readonly<Record<string, unknown>>

export interface SpecInput {
  readonly id: string
  readonly operation: Operation
  readonly request: RequestBody
  readonly model: string
  readonly candidates: readonly Candidate[]
  readonly route: RouteNote
  readonly cascade?: CascadeCheck
  readonly owner: string
  readonly share: JobShare
  readonly tier: Tier
  readonly mode: JobSpec['mode']
  readonly isAwaited?: boolean
  readonly keepResult: boolean
  readonly now: number
  readonly startWithinMs: number
  readonly finishWithinMs: number
  readonly metadata: Readonly<Record<string, string>>
  readonly requestId: string
  readonly retryOf?: string
  readonly webhook?: JobWebhook
  readonly keepLogMs?: number
}

const typeOfOperation: Readonly<Record<Operation, JobType>> = {
  chat: 'completion',
  text: 'completion',
  embeddings: 'embedding',
  summary: 'summarization',
}

/** Everything about a job that never changes, from what was accepted. Pure. */
export function buildSpec(input: SpecInput): JobSpec {
  const { operation, mode, now, startWithinMs, finishWithinMs } = input
  return {
    id: input.id,
    type: typeOfOperation[operation],
    operation,
    request: input.request,
    model: input.model,
    candidates: input.candidates,
    route: input.route,
    ...(input.cascade === undefined ? {} : { cascade: input.cascade }),
    owner: input.owner,
    tier: input.tier,
    share: input.share,
    mode,
    ...(input.isAwaited === true ? { isAwaited: true } : {}),
    stream: streams(input),
    keepResult: input.keepResult,
    createdAt: now,
    startBy: now + Math.min(startWithinMs, finishWithinMs),
    finishBy: now + finishWithinMs,
    metadata: input.metadata,
    requestId: input.requestId,
    ...(input.retryOf === undefined ? {} : { retryOf: input.retryOf }),
    ...(input.webhook === undefined ? {} : { webhook: input.webhook }),
    ...(input.keepLogMs === undefined ? {} : { keepLogMs: input.keepLogMs }),
  }
}

/** An asynchronous job may be followed by anyone at any time, so its tokens are written as they come. */
function streams({ operation, mode, request }: SpecInput): boolean {
  if (operation === 'embeddings') return false
  return mode === 'async' || request['stream'] === true
}

/** `service_tier` of an OpenAI request as our tier: `fast` is another word for `priority`; any other is the default. */
export function tierOf(serviceTier: unknown): Tier {
  if (serviceTier === 'fast') return 'priority'
  return serviceTier === 'flex' || serviceTier === 'priority' ? serviceTier : 'default'
}

/** The operation a native job of this type asks for. */
export function operationOf(type: JobType, request: RequestBody): Operation {
  if (type === 'embedding') return 'embeddings'
  if (type === 'summarization') return 'summary'
  return request['prompt'] !== undefined && request['messages'] === undefined ? 'text' : 'chat'
}
