import {
  type CreateResponseRequest,
  InferqError,
  isTerminal,
  type ListInputItemsQuery,
  type ResponseItem,
  type RetrieveResponseQuery,
  responseEcho,
  responseIdOf,
} from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { findAcceptedJob, findAnsweredJob } from '../earlier-job.ts'
import { idempotencyKeyOf, withIdempotency } from '../idempotency.ts'
import { responseBody, responseDocs } from '../openapi/responses-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { type Asked, answerEarlier, answerNew, streamFrom } from '../responses/answer-response.ts'
import { readPrevious } from '../responses/conversation.ts'
import { type FoundResponse, findResponse, presentResponse, statusOf } from '../responses/find-response.ts'
import { prepareResponse } from '../responses/prepare-response.ts'
import { createResponseDialect } from '../responses/response-dialect.ts'
import type { Validation } from '../validation.ts'
import { cancelFound } from './jobs.ts'
import { finishesOnDisconnect } from './on-disconnect.ts'
import { wants } from './prefer.ts'
import { replyAccepted, replyEarlier, waitForEnd } from './reply-accepted.ts'

/** How long a cancel waits for a running attempt to stop, before it tells how things stand. */
const cancelWaitMs = 2_000

/** `/v1/responses`, with and without the `/v1`. */
export function registerResponseRoutes(app: FastifyInstance, core: IngressCore, validation: Validation): void {
  for (const prefix of ['/v1', '']) {
    const docs = (schema: object): object => (prefix === '' ? { ...schema, hide: true } : schema)
    const path = `${prefix}/responses`
    app.post(path, { schema: docs({ body: responseBody, ...responseDocs.create }) }, (request, reply) =>
      create(core, validation, request, reply),
    )
    // A HEAD would wait for the end of a stream like a reader.
    app.get(`${path}/:id`, { schema: docs(responseDocs.get), exposeHeadRoute: false }, (request, reply) =>
      get(core, request, reply),
    )
    app.delete(`${path}/:id`, { schema: docs(responseDocs.remove) }, (request) => remove(core, request))
    app.post(`${path}/:id/cancel`, { schema: docs(responseDocs.cancel) }, (request, reply) =>
      cancel(core, request, reply),
    )
    app.get(`${path}/:id/input_items`, { schema: docs(responseDocs.inputItems) }, (request) =>
      listInputItems(core, request),
    )
  }
}

/**
 * Stored or in the background it is an asynchronous job, whoever waits for it; otherwise a job for this connection.
 * With `Prefer: respond-async` it is answered as any other job is.
 */
async function create(
  core: IngressCore,
  validation: Validation,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const body = request.body as CreateResponseRequest
  const identity = identityOf(request)
  const caller = { identity, requestId: request.id, facts: request.facts, headers: request.headers }
  const isDeferred = wants(request.headers, 'respond-async')
  const isBackground = body.background === true
  const asked: Asked = { core, request, reply, isStream: body.stream === true, isBackground }
  const keepResult = finishesOnDisconnect(request) || idempotencyKeyOf(request) !== undefined
  const dialect = createResponseDialect(responseEcho(body), core.clock.now)
  return withIdempotency(core, request, reply, {
    scope: 'responses',
    createId: () => createId('job'),
    async first(jobId) {
      const isAsynchronous = body.store !== false || isDeferred
      const terms = { jobId, isAsynchronous, isBackground: isBackground || isDeferred, keepResult }
      const prepared = await prepareResponse(core, validation, body, caller, terms)
      if (!isDeferred) return answerNew(asked, prepared)
      if (prepared.row !== null) await core.store.insertResponse(prepared.row)
      return replyAccepted(core, prepared.spec, request, reply, dialect)
    },
    find(jobId) {
      const { owner } = identity
      if (isDeferred) {
        return findAcceptedJob(core, jobId, owner, (found) => replyEarlier(core, found, request, reply, dialect))
      }
      if (isBackground && !asked.isStream) {
        return findAcceptedJob(core, jobId, owner, async () =>
          presentResponse(core, await findResponse(core, responseIdOf(jobId), owner)),
        )
      }
      const findJobOf = isBackground ? findAcceptedJob : findAnsweredJob
      return findJobOf(core, jobId, owner, (found) => answerEarlier(asked, found, responseEcho(body)))
    },
  })
}

async function get(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const found = await findAsked(core, request)
  const { stream, starting_after: startingAfter } = request.query as RetrieveResponseQuery
  if (stream !== true) {
    if (startingAfter === undefined) return presentResponse(core, found)
    const message = "Invalid value for 'starting_after': it goes with 'stream'."
    throw new InferqError({ code: 'invalid_value', message, param: 'starting_after' })
  }
  const position = lastEventNumber(request) ?? startingAfter ?? -1
  const asked = { core, request, reply }
  return streamFrom(asked, found.job, found.response.request, { isAnswer: false, startingAfter: position })
}

/** A browser that reconnects says so, and is right: it has got further than its URL. */
function lastEventNumber(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id']
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined
}

/** Idempotent. A response that has ended is given as it is. */
async function cancel(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const found = await findAsked(core, request)
  const { jobId } = found.response
  const outcome = await cancelFound(core, jobId, statusOf(found.job))
  if (outcome === 'cancelling') {
    const wait = waitForEnd(core, jobId, cancelWaitMs, reply, false)
    await wait.ended.finally(() => wait.cancel())
  }
  return presentResponse(core, await findAsked(core, request))
}

/** Its content is dropped, and what is under way is stopped: nobody could read it. */
async function remove(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { response, job } = await findAsked(core, request)
  const { jobId, owner } = response
  await core.store.deleteResponse(jobId, owner)
  if (isTerminal(statusOf(job))) core.tokenLog.discard(jobId)
  else core.background.run('cancel-deleted', cancelFound(core, jobId, statusOf(job)))
  return { id: responseIdOf(jobId), object: 'response', deleted: true }
}

/** What the model got to see, with the turns before as far as they are there. */
async function listInputItems(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { response } = await findAsked(core, request)
  const { limit = 20, order = 'desc', after, before } = request.query as ListInputItemsQuery
  const { previousJobId, owner, inputItems } = response
  const previous = previousJobId === null ? [] : await previousItems(core, previousJobId, owner)
  const items = [...previous, ...inputItems]
  if (order === 'desc') items.reverse()
  const start = after === undefined ? 0 : placeOf(items, after, 'after') + 1
  const end = before === undefined ? items.length : placeOf(items, before, 'before')
  const page = items.slice(start, Math.min(start + limit, end))
  const idOf = (item: ResponseItem | undefined): unknown => item?.['id'] ?? null
  return {
    object: 'list',
    data: page,
    first_id: idOf(page[0]),
    last_id: idOf(page.at(-1)),
    has_more: start + page.length < end,
  }
}

async function previousItems(core: IngressCore, jobId: string, owner: string): Promise<readonly ResponseItem[]> {
  try {
    return await readPrevious(core, responseIdOf(jobId), owner)
  } catch (thrown) {
    if (thrown instanceof InferqError && thrown.code === 'response_not_found') return []
    throw thrown
  }
}

function placeOf(items: readonly ResponseItem[], id: string, param: string): number {
  const place = items.findIndex((item) => item['id'] === id)
  if (place >= 0) return place
  const message = `Invalid value for '${param}': no such item in this list.`
  throw new InferqError({ code: 'invalid_value', message, param })
}

async function findAsked(core: IngressCore, request: FastifyRequest): Promise<FoundResponse> {
  const { id } = request.params as { id: string }
  const found = await findResponse(core, id, identityOf(request).owner)
  request.facts.jobId = found.response.jobId
  return found
}
