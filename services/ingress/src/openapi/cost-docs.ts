import { CostEstimate, CostEstimateRequest, SpendCalculateRequest, SpendCalculation } from '@inferq/contracts'
import { described, failures, withExample } from './responses.ts'

export const costBodies = {
  estimate: withExample(CostEstimateRequest, {
    models: ['gpt-4o', 'claude-3-5-sonnet'],
    prompt_tokens: 12_000,
    completion_tokens: 800,
    requests: 1000,
  }),
  calculate: withExample(SpendCalculateRequest, {
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'Say hello.' }],
  }),
} as const

const { 400: invalid, 401: noKey, 404: noModel } = failures.forQuestion

export const costDocs = {
  estimate: {
    operationId: 'estimateCost',
    summary: 'What requests would cost, over several models',
    description:
      'Compares models for given tokens and names the cheapest that fits. A price that is not known is null, never 0. No model is called.',
    tags: ['Operations'],
    response: { 200: described(CostEstimate, 'The comparison.'), 400: invalid, 401: noKey, 404: noModel },
  },
  calculate: {
    operationId: 'calculateSpend',
    summary: 'What one call would cost, or has cost',
    description: "LiteLLM's route, with its names. Of several deployments, the cheapest.",
    tags: ['Operations'],
    response: { 200: described(SpendCalculation, 'In USD.'), 400: invalid, 401: noKey, 404: noModel },
  },
} as const
