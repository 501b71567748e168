import { InferqError, type Operation } from '@inferq/contracts'
import type { FastifyInstance } from 'fastify'
import { modelOf } from '../accept.ts'
import type { IngressCore } from '../dependencies.ts'
import type { RequestBody } from '../job-spec.ts'
import { explainDocs } from '../openapi/explain-docs.ts'
import { identityOf, requireAdmin } from '../plugins/auth.ts'
import { routeRequestOf } from '../route-request.ts'
import type { Validation } from '../validation.ts'

/** `POST /v1/route/explain`: what would become of this very request, and why. Nothing is queued, and nobody is called. */
export function registerExplainRoute(app: FastifyInstance, core: IngressCore, validation: Validation): void {
  app.register(async (admin) => {
    requireAdmin(admin)
    admin.post('/v1/route/explain', { schema: explainDocs }, async (request) => {
      const body = request.body as RequestBody
      const operation = operationOfBody(body)
      validation.check(operation, body, '')
      const { headers } = request
      const identity = identityOf(request)
      const now = core.clock.now()
      const model = modelOf(core, body, 'model')
      const asked = routeRequestOf({ model, operation, request: body, identity, headers, metadata: {}, now })
      const { decision, trace } = core.router().explain(asked, core.health)
      return { object: 'route.explanation', operation, decision, ...trace }
    })
  })
}

/** By the one field that only this kind of request has. */
function operationOfBody(body: RequestBody): Operation {
  if (body['input'] !== undefined) return 'embeddings'
  if (body['text'] !== undefined) return 'summary'
  if (body['prompt'] !== undefined) return 'text'
  if (body['messages'] !== undefined) return 'chat'
  const message = "Send the body of a request: with 'messages', 'prompt', 'input' or 'text'."
  throw new InferqError({ code: 'missing_required_parameter', message, param: 'messages' })
}
