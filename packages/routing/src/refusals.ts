import type { ErrorDetail } from '@inferq/contracts'
import type { NamedModel } from './names.ts'
import type { RouteDecision } from './router.ts'

export function refused(error: ErrorDetail): RouteDecision {
  return { kind: 'refused', error }
}

export function unknownError(model: string, hasRules: boolean): ErrorDetail {
  const rules = hasRules ? ', and no rule of the configuration chose another' : ''
  const message = `The model '${model}' does not exist or you do not have access to it${rules}. See GET /v1/models.`
  return { code: 'model_not_found', message, param: 'model' }
}

/** The model is there, and answers only the other kind of request. */
export function unfitError({ name, plan }: NamedModel): ErrorDetail {
  const kind = plan.embedding === undefined ? 'completions' : 'embeddings'
  return { code: 'invalid_value', message: `The model '${name}' answers only ${kind}.`, param: 'model' }
}

export const maxCostError: ErrorDetail = {
  code: 'invalid_value',
  message: 'The header x-inferq-max-cost must be an amount of USD, such as 0.01.',
  param: 'x-inferq-max-cost',
}

/** `openUntil` and `now` in ms since the epoch. */
export function openError(model: string, openUntil: number, now: number): ErrorDetail {
  const retryAfterSeconds = Math.max(1, Math.ceil((openUntil - now) / 1000))
  const message = `Every deployment that could serve the model '${model}' is failing at the moment. Try again in ${retryAfterSeconds} s.`
  return { code: 'circuit_open', message, retryAfterSeconds }
}
