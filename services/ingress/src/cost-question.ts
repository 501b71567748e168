import type { DeploymentMode, InferqConfig, RuleTarget } from '@inferq/config'
import { type CostEstimateRequest, type ErrorCode, InferqError } from '@inferq/contracts'
import { createPromptSize, expectedCompletionTokens } from '@inferq/routing'
import type { CostQuestion } from './cost-estimate.ts'
import { answers, type KnownModel, type KnownModels } from './known-models.ts'

/** A validated body of `POST /v1/cost/estimate` as a question. Throws what a schema cannot say, naming the field. */
export function costQuestionOf(body: CostEstimateRequest, known: KnownModels, config: InferqConfig): CostQuestion {
  const named = namedModels(body, known, config)
  const mode = body.mode ?? (named?.every(onlyEmbeds) ? 'embedding' : 'chat')
  const models = named === null ? known.list().filter((model) => isComparable(model, mode)) : named
  for (const [place, model] of (body.models === undefined ? [] : models).entries()) {
    if (!serves(model, mode)) refuse(`models[${place}]`, `it does not answer requests of mode '${mode}'`)
  }
  const prompt = promptTokensOf(body, mode)
  const completionTokens = completionTokensOf(body, mode)
  const cachedTokens = body.cached_tokens ?? 0
  if (cachedTokens > prompt.total) refuse('cached_tokens', `must be at most the ${prompt.total} tokens of the prompt`)
  return {
    models: models.filter((model) => serves(model, mode)),
    mode,
    promptTokens: prompt.total,
    longestPromptTokens: prompt.longest,
    completionTokens,
    cachedTokens,
    requests: body.requests ?? 1,
  }
}

/** Null: nobody is named. */
function namedModels(
  body: CostEstimateRequest,
  known: KnownModels,
  config: InferqConfig,
): readonly KnownModel[] | null {
  const { models, task } = body
  if (models !== undefined) {
    if (task !== undefined) refuse('task', "give either 'models' or 'task', not both")
    return models.map((name, place) => known.find(name) ?? unknownModel(name, `models[${place}]`))
  }
  if (task === undefined) return null
  const rules = config.routing.rules.filter(({ when }) => when.task === task)
  const found = [...new Set(rules.flatMap(({ to }) => targetsOf(to)))].flatMap((name) => known.find(name) ?? [])
  if (found.length === 0) refuse('task', 'no rule of the configuration sends this task to a model')
  return found
}

function targetsOf(to: RuleTarget): readonly string[] {
  switch (to.kind) {
    case 'asked':
      return []
    case 'model':
      return [to.model]
    case 'split':
      return to.shares.map(({ model }) => model)
    case 'heuristic':
      return Object.values(to.models)
    case 'cascade':
      return to.models
    default:
      return to satisfies never
  }
}

export function unknownModel(name: string, param: string): never {
  const message = `The model '${name.slice(0, 256)}' does not exist or you do not have access to it.`
  throw new InferqError({ code: 'model_not_found', message, param })
}

/** A pattern has no price of its own, and an alias would be the same model twice. */
function isComparable(model: KnownModel, mode: DeploymentMode): boolean {
  return !model.isWildcard && model.aliasOf === null && serves(model, mode)
}

function serves({ deployments }: KnownModel, mode: DeploymentMode): boolean {
  return deployments.some((deployment) => answers(deployment, mode))
}

function onlyEmbeds(model: KnownModel): boolean {
  return !serves(model, 'chat')
}

const promptFields = ['prompt_tokens', 'messages', 'input'] as const

interface PromptTokens {
  readonly total: number
  readonly longest: number
}

function promptTokensOf(body: CostEstimateRequest, mode: DeploymentMode): PromptTokens {
  const [first, second] = promptFields.filter((field) => body[field] !== undefined)
  if (first === undefined) {
    const message = "Missing required parameter: 'prompt_tokens' (or 'messages', or 'input')."
    throw new InferqError({ code: 'missing_required_parameter', message, param: 'prompt_tokens' })
  }
  if (second !== undefined) refuse(second, `give either '${first}' or '${second}', not both`)
  if (body.prompt_tokens !== undefined) return { total: body.prompt_tokens, longest: body.prompt_tokens }
  if (body.messages !== undefined && mode === 'embedding') refuse('messages', 'embeddings are made of an `input`')
  const size = createPromptSize(mode === 'embedding' ? 'embeddings' : 'chat', {
    messages: body.messages,
    input: body.input,
  })
  return { total: Math.ceil(size.total().tokens), longest: Math.ceil(size.longest().tokens) }
}

/** As routing takes it to be where nobody says. */
function completionTokensOf(body: CostEstimateRequest, mode: DeploymentMode): number {
  const { completion_tokens: given } = body
  if (mode === 'embedding' && given !== undefined && given > 0)
    refuse('completion_tokens', 'an embedding has no answer')
  return given ?? expectedCompletionTokens(mode === 'embedding' ? 'embeddings' : 'chat', {})
}

function refuse(param: string, rule: string, code: ErrorCode = 'invalid_value'): never {
  throw new InferqError({ code, message: `Invalid value for '${param}': ${rule}.`, param })
}
