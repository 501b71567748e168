import { formatFault } from '@inferq/config'
import {
  type DeleteModelRequest,
  errorTable,
  InferqError,
  ModelGroupQuery,
  ModelInfoQuery,
  type NewModelRequest,
  type PatchModelRequest,
  toEnvelope,
  type UpdateModelRequest,
} from '@inferq/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { groupsOf, viewOfDeployment, viewOfGroup, viewOfRegistered } from '../models/model-views.ts'
import { managementBodies, managementDocs } from '../openapi/management-docs.ts'
import { identityOf, requireAdmin } from '../plugins/auth.ts'

/** Models at run time and the reload of the configuration: LiteLLM's names and shapes. In a scope that needs a key. */
export function registerManagementRoutes(app: FastifyInstance, core: IngressCore): void {
  app.register(async (admin) => {
    requireAdmin(admin)
    registerModelChanges(admin, core)
    registerModelViews(admin, core)
    admin.post('/config/reload', { schema: managementDocs.reload }, (request, reply) =>
      postReload(core, request, reply),
    )
  })
}

function registerModelChanges(app: FastifyInstance, core: IngressCore): void {
  const schema = { body: managementBodies.create, ...managementDocs.create }
  app.post('/model/new', { schema }, async (request) =>
    viewOfRegistered(await core.models.add(request.body as NewModelRequest, identityOf(request).owner)),
  )
  app.post(
    '/model/update',
    { schema: { body: managementBodies.update, ...managementDocs.update } },
    async (request) => {
      const { model_info: info, ...patch } = request.body as UpdateModelRequest
      return viewOfRegistered(await core.models.update(info.id, { ...patch, model_info: info }))
    },
  )
  app.patch(
    '/model/:id/update',
    { schema: { body: managementBodies.patch, ...managementDocs.patch } },
    async (request) => viewOfRegistered(await core.models.update(idOf(request), request.body as PatchModelRequest)),
  )
  app.post(
    '/model/delete',
    { schema: { body: managementBodies.delete, ...managementDocs.delete } },
    async (request) => {
      const { id } = request.body as DeleteModelRequest
      await core.models.remove(id)
      return { message: `Model: ${id} deleted successfully` }
    },
  )
}

function registerModelViews(app: FastifyInstance, core: IngressCore): void {
  const info = (request: FastifyRequest): object => {
    const { litellm_model_id: id } = request.query as ModelInfoQuery
    const { deployments, overlayFaults } = core.config()
    const asked = id === undefined ? deployments : deployments.filter((deployment) => deployment.id === id)
    if (id !== undefined && asked.length === 0) {
      const message = `There is no model with the id '${id}'.`
      throw new InferqError({ code: 'model_not_found', message, param: 'litellm_model_id' })
    }
    return { data: asked.map(viewOfDeployment), left_out: overlayFaults.map(formatFault) }
  }
  for (const path of ['/model/info', '/v1/model/info']) {
    const schema = { querystring: ModelInfoQuery, ...managementDocs.info, hide: path !== '/model/info' }
    app.get(path, { schema }, async (request) => info(request))
  }
  const schema = { querystring: ModelGroupQuery, ...managementDocs.groups }
  app.get('/model_group/info', { schema }, async (request) => ({
    data: groupsOf(core.config(), (request.query as ModelGroupQuery).model_group).map(viewOfGroup),
  }))
}

async function postReload(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const result = await core.live.reload({ tell: true })
  switch (result.kind) {
    case 'loaded':
      return reply.send({ changed: result.changed, fingerprint: result.config.fingerprint })
    case 'invalid': {
      const faults = result.faults.map(formatFault)
      const code = 'config_invalid'
      request.facts.errorCode = code
      const message = `The configuration is not usable, and the one before stays:\n${faults.join('\n')}`
      return reply.code(errorTable[code].status).send({ ...toEnvelope({ code, message }), faults })
    }
    case 'unavailable': {
      const message = `The configuration cannot be read, and the one before stays: ${result.message}`
      throw new InferqError({ code: 'service_unavailable', message })
    }
    default:
      return result satisfies never
  }
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id
}
