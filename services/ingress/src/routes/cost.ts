import { type CostEstimate, type CostEstimateRequest, InferqError, type SpendCalculateRequest } from '@inferq/contracts'
import { estimatePromptTokens } from '@inferq/routing'
import type { FastifyInstance } from 'fastify'
import { cheapestCallUsd, estimateCosts } from '../cost-estimate.ts'
import { costQuestionOf, unknownModel } from '../cost-question.ts'
import type { IngressCore } from '../dependencies.ts'
import { createKnownModels, type KnownModels } from '../known-models.ts'
import { costBodies, costDocs } from '../openapi/cost-docs.ts'
import { identityOf } from '../plugins/auth.ts'

/** What calls would cost: `POST /v1/cost/estimate`, and LiteLLM's `POST /spend/calculate`. Calls no model. */
export function registerCostRoutes(app: FastifyInstance, core: IngressCore): void {
  const models = createKnownModels(core.config)
  app.post(
    '/v1/cost/estimate',
    { schema: { body: costBodies.estimate, ...costDocs.estimate } },
    async (request): Promise<CostEstimate> => {
      const question = costQuestionOf(request.body as CostEstimateRequest, models, core.config())
      return estimateCosts(question, identityOf(request).admin)
    },
  )
  app.post('/spend/calculate', { schema: { body: costBodies.calculate, ...costDocs.calculate } }, async (request) => ({
    cost: calculate(request.body as SpendCalculateRequest, models),
  }))
}

function calculate(body: SpendCalculateRequest, models: KnownModels): number | null {
  const { completion_response: response, messages } = body
  if (response !== undefined && messages !== undefined) {
    const message = "Give either 'messages' or 'completion_response', not both."
    throw new InferqError({ code: 'invalid_value', message, param: 'completion_response' })
  }
  const name = body.model ?? response?.model ?? missing('model')
  const model = models.find(name) ?? unknownModel(name, 'model')
  if (response === undefined) {
    const promptTokens = Math.ceil(estimatePromptTokens({ messages: messages ?? missing('messages') }))
    return cheapestCallUsd(model, { promptTokens, completionTokens: 0, cachedTokens: 0 })
  }
  const { usage } = response
  return cheapestCallUsd(model, {
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens ?? 0,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
  })
}

function missing(param: string): never {
  throw new InferqError({
    code: 'missing_required_parameter',
    message: `Missing required parameter: '${param}'.`,
    param,
  })
}
