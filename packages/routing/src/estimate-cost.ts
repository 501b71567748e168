import { costOf } from '@inferq/catalog'
import type { Deployment } from '@inferq/config'
import type { Operation } from '@inferq/contracts'
import { type PromptSize, requestedMaxTokens } from './prompt-size.ts'

/** What an answer is taken to be long when nobody says how long it may be. */
const assumedCompletionTokens = 500

/** A request without anything of its own, to compare prices where the request is not at hand. */
const nominalUsage = { promptTokens: 1000, completionTokens: assumedCompletionTokens }

/** What a call is expected to use: of an answer, all that it may be long. */
export function expectedCompletionTokens(
  operation: Operation,
  body: Readonly<Record<string, unknown>>,
  deployment?: Deployment,
): number {
  if (operation === 'embeddings') return 0
  const allowed = requestedMaxTokens(body) ?? requestedMaxTokens(deployment?.defaults ?? {}) ?? assumedCompletionTokens
  const choices = typeof body['n'] === 'number' && body['n'] > 1 ? body['n'] : 1
  return Math.min(allowed, deployment?.maxOutputTokens ?? allowed) * choices
}

/**
 * What a job is charged with out of its tenant's share before it has ended: prompt, by its length alone, and an answer as long
 * as it may be. A job in error is corrected when it ends, so this costs nothing on the way of every request.
 */
export function expectedTokens(
  operation: Operation,
  body: Readonly<Record<string, unknown>>,
  prompt: PromptSize,
  deployment?: Deployment,
): number {
  return Math.max(1, Math.ceil(prompt.roughTokens + expectedCompletionTokens(operation, body, deployment)))
}

/** In 10^-9 USD; null when the price is not known. */
export function estimateCostNanoUsd(
  deployment: Deployment,
  operation: Operation,
  body: Readonly<Record<string, unknown>>,
  prompt: PromptSize,
): number | null {
  if (deployment.price === undefined) return null
  const completionTokens = Math.ceil(expectedCompletionTokens(operation, body, deployment))
  return costOf(deployment.price, { promptTokens: prompt.total().tokens, completionTokens })
}

/** To tell which of two deployments is cheaper in general. */
export function nominalCostNanoUsd(deployment: Deployment): number | null {
  return deployment.price === undefined ? null : costOf(deployment.price, nominalUsage)
}
