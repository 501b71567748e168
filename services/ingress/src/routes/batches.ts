import {
  type BatchObject,
  type CreateBatchRequest,
  InferqError,
  type ListBatchesQuery,
  ListBatchesQuery as ListBatchesQuerySchema,
} from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import type { StoredBatch } from '@inferq/store'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { viewOfBatch } from '../batches/batch-view.ts'
import { endpointPaths, findEndpoint } from '../batches/endpoints.ts'
import type { IngressCore } from '../dependencies.ts'
import { pageOf } from '../file-view.ts'
import { withIdempotency } from '../idempotency.ts'
import { batchDocs, createBody } from '../openapi/batch-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { tenantOf } from '../tenant.ts'
import { fileNotFound } from './files.ts'

const windowMs = 86_400_000

/** `/v1/batches`: OpenAI's Batches, with and without `/v1`. In a scope that needs a key. */
export function registerBatchRoutes(app: FastifyInstance, core: IngressCore): void {
  for (const prefix of ['/v1', '']) {
    const hide = prefix === ''
    const create = { ...batchDocs.create, body: createBody, hide }
    app.post(`${prefix}/batches`, { schema: create }, (request, reply) => postBatch(core, request, reply))
    const list = { ...batchDocs.list, querystring: ListBatchesQuerySchema, hide }
    app.get(`${prefix}/batches`, { schema: list }, (request) => listBatches(core, request))
    app.get(`${prefix}/batches/:id`, { schema: { ...batchDocs.get, hide } }, (request) => getBatch(core, request))
    app.post(`${prefix}/batches/:id/cancel`, { schema: { ...batchDocs.cancel, hide } }, (request) =>
      cancelBatch(core, request),
    )
  }
}

function postBatch(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const identity = identityOf(request)
  const { owner } = identity
  return withIdempotency(core, request, reply, {
    scope: 'batches',
    createId: () => createId('batch'),
    first: (id) => createBatch(core, request, id),
    async find(id) {
      const batch = await core.store.getBatch(id, owner)
      return batch === null ? { kind: 'unknown' } : { kind: 'found', answer: async () => viewOfBatch(batch) }
    },
  })
}

async function createBatch(core: IngressCore, request: FastifyRequest, id: string): Promise<BatchObject> {
  const identity = identityOf(request)
  const { owner, key, user, team, metadata } = identity
  const body = request.body as CreateBatchRequest
  if (findEndpoint(body.endpoint) === undefined) {
    const message = `Invalid value for 'endpoint': must be one of ${endpointPaths.map((path) => `'${path}'`).join(', ')}.`
    throw new InferqError({ code: 'invalid_value', message, param: 'endpoint' })
  }
  const input = await core.store.getFile(body.input_file_id, owner)
  if (input === null) throw fileNotFound(body.input_file_id, 'input_file_id')
  if (input.purpose !== 'batch') {
    const message = `Invalid value for 'input_file_id': the file was uploaded with purpose '${input.purpose}', not 'batch'.`
    throw new InferqError({ code: 'invalid_value', message, param: 'input_file_id' })
  }
  const createdAt = core.clock.now()
  const made = {
    ...{ id, owner, endpoint: body.endpoint, inputFileId: input.id, completionWindow: body.completion_window },
    metadata: body.metadata ?? null,
    caller: {
      ...(key === undefined ? {} : { key }),
      ...(user === undefined ? {} : { user }),
      ...(team === undefined ? {} : { team }),
      ...(metadata === undefined ? {} : { metadata }),
      tenant: tenantOf(identity, request.headers),
    },
    ...{ createdAt, expiresAt: createdAt + windowMs },
    outputExpiresSeconds: body.output_expires_after?.seconds ?? null,
  }
  await core.store.insertBatch(made, request.facts.hold)
  core.batchDesk.wake()
  const batch = await core.store.getBatch(id, owner)
  if (batch === null) throw batchNotFound(id)
  return viewOfBatch(batch)
}

async function listBatches(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { limit = 20, ...rest } = request.query as ListBatchesQuery
  const { batches, hasMore } = await core.store.listBatches(identityOf(request).owner, { limit, ...rest })
  return pageOf(batches.map(viewOfBatch), hasMore)
}

async function getBatch(core: IngressCore, request: FastifyRequest): Promise<BatchObject> {
  const { id } = request.params as { id: string }
  const batch: StoredBatch | null = await core.store.getBatch(id, identityOf(request).owner)
  if (batch === null) throw batchNotFound(id)
  return viewOfBatch(batch)
}

async function cancelBatch(core: IngressCore, request: FastifyRequest): Promise<BatchObject> {
  const { id } = request.params as { id: string }
  const cancelled = await core.store.cancelBatch(id, identityOf(request).owner)
  switch (cancelled.kind) {
    case 'unknown':
      throw batchNotFound(id)
    case 'ended': {
      const message = `Cannot cancel a batch that is ${cancelled.batch.status}.`
      throw new InferqError({ code: 'conflict', message })
    }
    case 'cancelling':
      return viewOfBatch(cancelled.batch)
    default:
      return cancelled satisfies never
  }
}

function batchNotFound(id: string): InferqError {
  return new InferqError({ code: 'batch_not_found', message: `No such batch: '${id.slice(0, 80)}'.` })
}
