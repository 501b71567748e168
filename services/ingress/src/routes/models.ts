import type { FastifyInstance, FastifyRequest } from 'fastify'
import { toAnthropicModel, toAnthropicPage } from '../anthropic/models.ts'
import { speaksAnthropic } from '../anthropic/speaks-anthropic.ts'
import { unknownModel } from '../cost-question.ts'
import type { IngressCore } from '../dependencies.ts'
import { createKnownModels, type KnownModel } from '../known-models.ts'
import { describeModel } from '../model-view.ts'
import { modelDocs } from '../openapi/openai-docs.ts'
import { identityOf } from '../plugins/auth.ts'

/**
 * `GET /v1/models` and one of them; names may hold slashes. Operators also see the deployments and their circuits.
 * A request with `anthropic-version` is answered in Anthropic's shape, page by page.
 */
export function registerModelRoutes(app: FastifyInstance, core: IngressCore): void {
  const created = Math.floor(core.clock.now() / 1000)
  const models = createKnownModels(core.config)
  const view = (model: KnownModel, request: FastifyRequest): object => ({
    id: model.name,
    object: 'model',
    created,
    owned_by: model.deployments.every(({ deployment }) => deployment.simulated) ? 'inferq-simulator' : 'inferq',
    inferq: describeModel(model, identityOf(request).admin ? (id) => core.health.circuit(id) : undefined),
  })
  const list = (request: FastifyRequest): object =>
    speaksAnthropic(request)
      ? toAnthropicPage(models.list(), request.query as Record<string, unknown>, created)
      : { object: 'list', data: models.list().map((model) => view(model, request)) }
  const one = (name: string, request: FastifyRequest): object => {
    const model = models.find(name) ?? unknownModel(name, 'model')
    return speaksAnthropic(request) ? toAnthropicModel(model, created) : view(model, request)
  }
  for (const prefix of ['/v1', '']) {
    const hide = prefix === ''
    app.get(`${prefix}/models`, { schema: { ...modelDocs.list, hide } }, async (request) => list(request))
    app.get(`${prefix}/models/:model`, { schema: { ...modelDocs.one, hide } }, async (request) =>
      one((request.params as { model: string }).model, request),
    )
    app.get(`${prefix}/models/*`, { schema: { hide: true } }, async (request) =>
      one((request.params as { '*': string })['*'], request),
    )
  }
}
