import type { ModelEntry } from '@inferq/config'
import { InferqError } from '@inferq/contracts'
import type { FastifyInstance } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { modelDocs } from '../openapi/openai-docs.ts'

/** `GET /v1/models` and one of them; names may hold slashes. */
export function registerModelRoutes(app: FastifyInstance, core: IngressCore): void {
  const created = Math.floor(core.clock.now() / 1000)
  const view = (model: ModelEntry): object => ({
    id: model.name,
    object: 'model',
    created,
    owned_by: model.deployments.every((deployment) => deployment.simulated) ? 'inferq-simulator' : 'inferq',
  })
  const list = () => ({ object: 'list', data: core.config().models.map(view) })
  const one = (name: string): object => {
    const model = core.config().models.find((entry) => entry.name === name)
    if (model !== undefined) return view(model)
    const message = `The model '${name.slice(0, 256)}' does not exist or you do not have access to it.`
    throw new InferqError({ code: 'model_not_found', message, param: 'model' })
  }
  for (const prefix of ['/v1', '']) {
    const hide = prefix === ''
    app.get(`${prefix}/models`, { schema: { ...modelDocs.list, hide } }, async () => list())
    app.get(`${prefix}/models/:model`, { schema: { ...modelDocs.one, hide } }, async (request) =>
      one((request.params as { model: string }).model),
    )
    app.get(`${prefix}/models/*`, { schema: { hide: true } }, async (request) =>
      one((request.params as { '*': string })['*']),
    )
  }
}
