import { costOf } from '@inferq/catalog'
import type { DeploymentMode } from '@inferq/config'
import type { CostEstimate } from '@inferq/contracts'
import { answers, type KnownDeployment, type KnownModel } from './known-models.ts'
import { usdOfNano } from './money.ts'

/** What the cost is asked of. */
export interface CostQuestion {
  readonly models: readonly KnownModel[]
  readonly mode: DeploymentMode
  readonly promptTokens: number
  /** Of the longest of several inputs: each has to fit for itself. Otherwise all of the prompt. */
  readonly longestPromptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  readonly requests: number
}

/** Compares the models. Of each, the row tells of one deployment: of those that fit, the cheapest whose price is known. */
export function estimateCosts(question: CostQuestion, showDeployments: boolean): CostEstimate {
  const rows = question.models.flatMap((model) => {
    const quotes = model.deployments.filter((one) => answers(one, question.mode)).map((one) => quote(one, question))
    const best = quotes.toSorted(compareQuotes)[0]
    return best === undefined ? [] : [{ model: model.name, ...best }]
  })
  rows.sort((a, b) => compareCosts(a.costNanoUsd, b.costNanoUsd))
  const cheapest = rows.find(({ costNanoUsd, fits }) => costNanoUsd !== null && fits !== false)
  return {
    object: 'cost.estimate',
    prompt_tokens: question.promptTokens,
    completion_tokens: question.completionTokens,
    cached_tokens: question.cachedTokens,
    requests: question.requests,
    models: rows.map(({ model, known, costNanoUsd, fits }) => ({
      model,
      cost_usd: costNanoUsd === null ? null : usdOfRequests(costNanoUsd, question.requests),
      cost_per_request_usd: costNanoUsd === null ? null : usdOfNano(costNanoUsd),
      price_known: costNanoUsd !== null,
      fits,
      context_window: known.contextWindow ?? null,
      deployment: showDeployments ? known.deployment.id : null,
    })),
    cheapest: cheapest?.model ?? null,
  }
}

/** The cost of one call of a model's cheapest deployment, in USD; null when no price is known. */
export function cheapestCallUsd(
  { deployments }: KnownModel,
  usage: { readonly promptTokens: number; readonly completionTokens: number; readonly cachedTokens: number },
): number | null {
  const costs = deployments.flatMap(({ price }) => (price === undefined ? [] : [costOf(price, usage)]))
  return costs.length === 0 ? null : usdOfNano(Math.min(...costs))
}

interface Quote {
  readonly known: KnownDeployment
  /** Of one request. */
  readonly costNanoUsd: number | null
  readonly fits: boolean | null
}

function quote(known: KnownDeployment, question: CostQuestion): Quote {
  return {
    known,
    costNanoUsd: known.price === undefined ? null : costOf(known.price, question),
    fits: fitsInto(known, question),
  }
}

function fitsInto({ contextWindow, maxOutputTokens }: KnownDeployment, question: CostQuestion): boolean | null {
  if (maxOutputTokens !== undefined && question.completionTokens > maxOutputTokens) return false
  if (contextWindow === undefined) return null
  return question.longestPromptTokens + question.completionTokens <= contextWindow
}

function compareQuotes(a: Quote, b: Quote): number {
  const fitting = Number(a.fits === false) - Number(b.fits === false)
  return fitting === 0 ? compareCosts(a.costNanoUsd, b.costNanoUsd) : fitting
}

/** What is not known comes last. */
function compareCosts(a: number | null, b: number | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return a - b
}

/** Each request is rounded by itself, as it is when it is paid. */
function usdOfRequests(nanoUsd: number, requests: number): number {
  return usdOfNano(Number(BigInt(nanoUsd) * BigInt(requests)))
}
