import type { Deployment } from '@inferq/config'
import type { ErrorDetail } from '@inferq/contracts'
import { estimateCostNanoUsd } from './estimate-cost.ts'
import type { ModePlan } from './model-plan.ts'
import { type PromptSize, requestedMaxTokens } from './prompt-size.ts'
import type { Situation } from './situation.ts'

/** Which deployments of a model can serve a request at all, whatever goes on at the moment. */
export type Fitting =
  /** At least one; `plan.deployments` itself when nothing was left out. */
  | { readonly kind: 'deployments'; readonly deployments: readonly Deployment[] }
  /** `why`: what left out the last of them. */
  | { readonly kind: 'none'; readonly why: 'tags' | 'context' | 'cost'; readonly error: ErrorDetail }

/**
 * A prompt is left out only where it is surely too long: the estimate may be that much too high. One made from parts of
 * the text more so.
 */
const countedShare = 0.9
const sampledShare = 0.8

/** With tag filtering, a deployment with this tag serves requests that carry no tag, or none that anyone has. */
const defaultTag = 'default'

/** One after the other, since each is only worth its price when those before leave something: tags, window, cost. */
export function fittingDeployments(model: string, plan: ModePlan, situation: Situation): Fitting {
  const tagged = situation.routing.tagFiltering ? byTags(plan.deployments, situation) : plan.deployments
  if (tagged.length === 0) return { kind: 'none', why: 'tags', error: tagError(model) }
  const roomy = byWindow(tagged, plan, situation)
  if (roomy.length === 0) return { kind: 'none', why: 'context', error: contextError(model, tagged, situation) }
  const { maxCostUsd } = situation
  const affordable = maxCostUsd === undefined ? roomy : byCost(roomy, maxCostUsd, situation)
  if (affordable.length === 0) return { kind: 'none', why: 'cost', error: costError(model, maxCostUsd ?? 0) }
  return { kind: 'deployments', deployments: affordable }
}

/** As LiteLLM's `enable_tag_filtering`: https://docs.litellm.ai/docs/proxy/tag_routing */
function byTags(deployments: readonly Deployment[], situation: Situation): readonly Deployment[] {
  const asked = situation.tags()
  const matching = deployments.filter(({ tags }) => tags.some((tag) => asked.includes(tag)))
  const defaults = (): readonly Deployment[] => deployments.filter(({ tags }) => tags.includes(defaultTag))
  const kept = matching.length > 0 ? matching : defaults()
  const result = kept.length === 0 && asked.length === 0 ? deployments : kept
  note(deployments, result, situation, () =>
    asked.length === 0 ? 'it serves only requests with one of its tags' : 'the request carries none of its tags',
  )
  return result
}

function byWindow(deployments: readonly Deployment[], plan: ModePlan, situation: Situation): readonly Deployment[] {
  const { prompt, request } = situation
  // A text longer than the window is summarized in parts.
  if (request.operation === 'summary') return deployments
  const answer = requestedMaxTokens(request.body) ?? 0
  if (prompt.upperBound + answer <= plan.smallestWindow) return deployments
  const kept = deployments.filter(
    ({ contextWindow }) => contextWindow === undefined || surePromptTokens(prompt) + answer <= contextWindow,
  )
  note(deployments, kept, situation, ({ contextWindow }) => {
    const asked = answer === 0 ? '' : ` and ${answer} of answer`
    return `about ${prompt.longest().tokens} tokens of prompt${asked} do not fit into its window of ${contextWindow}`
  })
  return kept
}

/** The prompt has at least this many. */
function surePromptTokens(prompt: PromptSize): number {
  const { tokens, sampled } = prompt.longest()
  return Math.floor(tokens * (sampled ? sampledShare : countedShare))
}

function byCost(deployments: readonly Deployment[], maxUsd: number, situation: Situation): readonly Deployment[] {
  const { operation, body } = situation.request
  const costUsd = (deployment: Deployment): number | null => {
    const nano = estimateCostNanoUsd(deployment, operation, body, situation.prompt)
    return nano === null ? null : nano / 1e9
  }
  const kept = deployments.filter((deployment) => {
    const cost = costUsd(deployment)
    return cost !== null && cost <= maxUsd
  })
  note(deployments, kept, situation, (deployment) => {
    const cost = costUsd(deployment)
    return cost === null ? 'its price is not known' : `about ${cost} USD is more than ${maxUsd} USD`
  })
  return kept
}

function note(
  before: readonly Deployment[],
  after: readonly Deployment[],
  { recorder }: Situation,
  reason: (deployment: Deployment) => string,
): void {
  if (recorder === undefined) return
  for (const deployment of before) if (!after.includes(deployment)) recorder.leftOut(deployment, reason(deployment))
}

function tagError(model: string): ErrorDetail {
  const message = `No deployment of the model '${model}' serves requests with these tags.`
  return { code: 'no_deployment', message }
}

function contextError(model: string, deployments: readonly Deployment[], { request, prompt }: Situation): ErrorDetail {
  const widest = Math.max(...deployments.map(({ contextWindow }) => contextWindow ?? 0))
  const answer = requestedMaxTokens(request.body)
  const asked = answer === undefined ? '' : ` and asks for up to ${answer} tokens of answer`
  const message = `The model '${model}' has a context window of ${widest} tokens; the request has about ${prompt.longest().tokens}${asked}.`
  const param = ['messages', 'prompt', 'input'].find((name) => request.body[name] !== undefined)
  return { code: 'context_length_exceeded', message, ...(param === undefined ? {} : { param }) }
}

function costError(model: string, maxUsd: number): ErrorDetail {
  const message = `No deployment of the model '${model}' is known to serve this request for ${maxUsd} USD or less.`
  return { code: 'cost_limit_exceeded', message }
}
