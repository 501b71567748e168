import { costOf, lookUpModel } from '@inferq/catalog'
import type { Deployment } from '@inferq/config'
import type { AttemptRecord, TokenUsage } from '@inferq/contracts'

/** What one attempt cost, in 10^-9 USD; null when the price is not known. `upstreamModel`: what a wildcard stood for. */
export function costOfAttempt(deployment: Deployment, upstreamModel: string, usage: TokenUsage): number | null {
  const isWildcard = deployment.upstreamModel.includes('*')
  const price = deployment.price ?? (isWildcard ? lookUpModel(deployment.provider, upstreamModel)?.price : undefined)
  return price === undefined ? null : costOf(price, usage)
}

/**
 * What a job costs whoever sent it, in 10^-9 USD: the attempt that ended it, and those whose output or judgement is part
 * of its answer (continued by a later one; asked first and rejected by a cascade). What failed and was voided is ours.
 * Null as soon as one of the prices is not known.
 */
export function costOfJob(earlier: readonly AttemptRecord[], last: AttemptRecord): number | null {
  let sum = last.costNanoUsd ?? null
  if (sum === null) return null
  const all = [...earlier, last]
  for (const [place, attempt] of earlier.entries()) {
    const next = all.slice(place + 1).find(({ continued, usage }) => continued === true || usage !== undefined)
    const isPart = attempt.error?.code === 'answer_rejected' || next?.continued === true
    if (!isPart || attempt.costNanoUsd === undefined) continue
    if (attempt.costNanoUsd === null) return null
    sum += attempt.costNanoUsd
  }
  return sum
}
