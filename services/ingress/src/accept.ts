import type { IncomingHttpHeaders } from 'node:http'
import { weightOf } from '@inferq/config'
import {
  type ErrorDetail,
  InferqError,
  type JobSpec,
  type JobWebhook,
  type Operation,
  type SubmitJobRequest,
  type Tier,
} from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import { acceptWebhook } from './accept-webhook.ts'
import type { IngressCore } from './dependencies.ts'
import type { Identity } from './identity.ts'
import { buildSpec, operationOf, type RequestBody, tierOf } from './job-spec.ts'
import type { RequestFacts } from './request-facts.ts'
import { requestFault } from './request-faults.ts'
import { routeRequestOf } from './route-request.ts'
import { tenantOf } from './tenant.ts'
import type { Validation } from './validation.ts'

export interface Acceptance {
  readonly operation: Operation
  /** Validated. */
  readonly request: RequestBody
  readonly identity: Identity
  readonly requestId: string
  readonly facts: RequestFacts
  /** Of the HTTP request: some say how it is to be routed. */
  readonly headers: IncomingHttpHeaders
  /** Goes before the paths of the job's URLs, where others are told of them. */
  readonly base?: string
  /** For the job to make; default: a new one. */
  readonly jobId?: string
  /** Whose share it comes out of. Default: what identity and headers say. */
  readonly tenant?: string
}

/** A request of an OpenAI route as a job for the connection that waits. Throws what routing refuses. */
export function acceptInteractive(core: IngressCore, request: Acceptance, keepResult: boolean): JobSpec {
  return accept(core, request, {
    mode: 'interactive',
    keepResult,
    tier: tierOf(request.request['service_tier']),
    finishWithinMs: core.options.interactiveMs,
    startWithinMs: core.options.interactiveMs,
    metadata: {},
    paramPrefix: '',
  })
}

/** A request of an OpenAI route as an asynchronous job (`Prefer: respond-async`). */
export function acceptDeferred(core: IngressCore, request: Acceptance): JobSpec {
  return accept(core, request, {
    mode: 'async',
    keepResult: true,
    tier: tierOf(request.request['service_tier']),
    finishWithinMs: core.options.asyncMs,
    startWithinMs: core.options.asyncMs,
    metadata: {},
    paramPrefix: '',
  })
}

/** A native job. Its inner request is checked here, by its type. Throws as the others, naming `request.…`. */
export function acceptJob(
  core: IngressCore,
  validation: Validation,
  body: SubmitJobRequest,
  caller: Omit<Acceptance, 'operation' | 'request'>,
): JobSpec {
  const request = body.request as RequestBody
  const operation = operationOf(body.type, request)
  validation.check(operation, request, 'request')
  if (operation === 'summary') checkSummarySource(request)
  const finishWithinMs = body.finish_within_s === undefined ? core.options.asyncMs : body.finish_within_s * 1000
  return accept(
    core,
    { ...caller, operation, request },
    {
      mode: 'async',
      keepResult: true,
      tier: body.priority ?? tierOf(request['service_tier']),
      finishWithinMs,
      startWithinMs: body.start_within_s === undefined ? finishWithinMs : body.start_within_s * 1000,
      metadata: body.metadata ?? {},
      ...(body.webhook === undefined ? {} : { webhook: acceptWebhook(core, body.webhook, caller.base) }),
      paramPrefix: 'request.',
    },
  )
}

/** SDKs that replay the stream of a response do so from its first event on. */
const responseLogMs = 3_600_000

/** A response as a chat job. One that is stored is asynchronous, whether somebody waits for it or not. */
export function acceptResponse(
  core: IngressCore,
  request: Acceptance,
  terms: {
    readonly isStored: boolean
    readonly isBackground: boolean
    readonly keepResult: boolean
    readonly metadata: Readonly<Record<string, string>>
  },
): JobSpec {
  const { isStored, isBackground, keepResult, metadata } = terms
  const withinMs = isBackground ? core.options.asyncMs : core.options.interactiveMs
  return accept(core, request, {
    mode: isStored ? 'async' : 'interactive',
    keepResult: isStored || keepResult,
    tier: tierOf(request.request['service_tier']),
    finishWithinMs: withinMs,
    startWithinMs: withinMs,
    metadata,
    ...(isStored ? { keepLogMs: responseLogMs } : {}),
    isAwaited: !isBackground,
    paramPrefix: '',
  })
}

/**
 * A job that ended without a result once more, as a new one: the same request on the same terms, routed as of now, out of the
 * share of the same tenant, whoever asks for it. Its request was checked when it was first accepted. Throws what routing
 * refuses.
 */
export function acceptRetry(
  core: IngressCore,
  ended: JobSpec,
  caller: Omit<Acceptance, 'operation' | 'request'>,
): JobSpec {
  const { operation, request, tier, createdAt, startBy, finishBy, metadata, webhook } = ended
  const tenant = ended.share?.tenant ?? tenantOf(caller.identity, {})
  return accept(
    core,
    { ...caller, operation, request, tenant },
    {
      mode: 'async',
      keepResult: true,
      tier,
      finishWithinMs: finishBy - createdAt,
      startWithinMs: startBy - createdAt,
      metadata,
      retryOf: ended.id,
      ...(webhook === undefined ? {} : { webhook }),
      paramPrefix: '',
    },
  )
}

/** What a summarization is of: a schema that said "one of the two" could not name the field. */
function checkSummarySource(request: RequestBody): void {
  const hasText = request['text'] !== undefined
  const hasMessages = request['messages'] !== undefined
  if (hasText !== hasMessages) return
  const message = hasText
    ? "Give either 'request.text' or 'request.messages', not both."
    : "Missing required parameter: 'request.text' (or 'request.messages')."
  const code = hasText ? 'invalid_value' : 'missing_required_parameter'
  throw new InferqError({ code, message, param: hasText ? 'request.messages' : 'request.text' })
}

interface Terms {
  readonly mode: JobSpec['mode']
  readonly keepResult: boolean
  readonly tier: Tier
  readonly finishWithinMs: number
  readonly startWithinMs: number
  readonly metadata: Readonly<Record<string, string>>
  readonly retryOf?: string
  readonly webhook?: JobWebhook
  readonly keepLogMs?: number
  /** Somebody waits on a connection. Default: for an interactive job. */
  readonly isAwaited?: boolean
  readonly paramPrefix: string
}

function accept(core: IngressCore, acceptance: Acceptance, terms: Terms): JobSpec {
  core.outcomeRoom.check()
  const { operation, request, identity, requestId, facts, headers } = acceptance
  const { tenant = tenantOf(identity, headers) } = acceptance
  const { paramPrefix, isAwaited = terms.mode === 'interactive', ...rest } = terms
  const now = core.clock.now()
  const model = modelOf(core, request, `${paramPrefix}model`)
  facts.model = model
  const fault = requestFault(operation, request, { mayStream: terms.mode === 'async', prefix: paramPrefix })
  if (fault !== undefined) throw new InferqError(fault)
  const asked = routeRequestOf({ ...acceptance, model, metadata: terms.metadata, now })
  // Who waits on a connection is better told at once that nothing will be called soon; an asynchronous job can wait for it.
  const decision = core.router().route(asked, core.health, { refuseOpen: isAwaited })
  if (decision.kind === 'refused') throw refusal(decision.error, paramPrefix)
  const { candidates, note, cascade, expectedTokens } = decision
  const id = acceptance.jobId ?? createId('job')
  // It waits in the class of its first candidate, whether another one had room or not.
  core.queueRoom.admit(candidates[0]?.class ?? '', id)
  const spec = buildSpec({
    ...rest,
    isAwaited,
    id,
    operation,
    request,
    model,
    candidates,
    route: note,
    ...(cascade === undefined ? {} : { cascade }),
    owner: identity.owner,
    share: { tenant, weight: weightOf(core.config().shares, tenant), tokens: expectedTokens },
    now,
    requestId,
  })
  facts.jobId = spec.id
  facts.route = note
  return spec
}

/** Only a summarization may leave its model out. */
export function modelOf(core: IngressCore, request: RequestBody, param: string): string {
  const model = request['model'] ?? core.config().defaultModel
  if (typeof model === 'string') return model
  const message = `Missing required parameter: '${param}' (there is no default model).`
  throw new InferqError({ code: 'missing_required_parameter', message, param })
}

/** The inner request of a native job has its fields below `request`. */
function refusal(error: ErrorDetail, paramPrefix: string): InferqError {
  return new InferqError(error.param === undefined ? error : { ...error, param: `${paramPrefix}${error.param}` })
}
