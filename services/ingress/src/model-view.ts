import { type Capabilities, costOf, type Price } from '@inferq/catalog'
import type { CapabilitiesView, DeploymentView, ModelDescription, PriceView } from '@inferq/contracts'
import type { Circuit } from '@inferq/routing'
import type { KnownDeployment, KnownModel } from './known-models.ts'
import { usdPerMillion } from './money.ts'

/**
 * A model as clients see it. Of a group, the price is that of its cheapest deployment (for a prompt twice as long as the
 * answer), window and longest answer are the widest, and it can do whatever one of its deployments can.
 * `circuitOf`: given for operators, who also see the deployments.
 */
export function describeModel(model: KnownModel, circuitOf?: (deploymentId: string) => Circuit): ModelDescription {
  const { deployments } = model
  return {
    mode: sharedMode(deployments),
    context_window: widest(deployments.map(({ contextWindow }) => contextWindow)),
    max_output_tokens: widest(deployments.map(({ maxOutputTokens }) => maxOutputTokens)),
    price: viewOfPrice(cheapest(deployments.map(({ price }) => price))),
    capabilities: viewOfCapabilities(anyOf(deployments.map(({ capabilities }) => capabilities))),
    wildcard: model.isWildcard,
    alias_of: model.aliasOf,
    ...(circuitOf === undefined ? {} : { deployments: deployments.map((one) => viewOfDeployment(one, circuitOf)) }),
  }
}

function viewOfDeployment(known: KnownDeployment, circuitOf: (deploymentId: string) => Circuit): DeploymentView {
  const { id, provider, class: name } = known.deployment
  const circuit = circuitOf(id)
  return {
    id,
    provider,
    class: name,
    upstream_model: known.upstreamModel,
    mode: known.mode ?? null,
    context_window: known.contextWindow ?? null,
    max_output_tokens: known.maxOutputTokens ?? null,
    price: viewOfPrice(known.price),
    capabilities: viewOfCapabilities(known.capabilities),
    circuit: {
      state: circuit.state,
      until: circuit.state === 'open' ? circuit.until / 1000 : null,
      reason: circuit.state === 'closed' ? null : circuit.reason,
    },
  }
}

function sharedMode(deployments: readonly KnownDeployment[]): ModelDescription['mode'] {
  const modes = new Set(deployments.map(({ mode }) => mode))
  const [mode] = modes
  return modes.size === 1 ? (mode ?? null) : null
}

function widest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? null : Math.max(...known)
}

const nominalUsage = { promptTokens: 1000, completionTokens: 500 }

function cheapest(prices: readonly (Price | undefined)[]): Price | undefined {
  let best: Price | undefined
  for (const price of prices) {
    if (price !== undefined && (best === undefined || costOf(price, nominalUsage) < costOf(best, nominalUsage)))
      best = price
  }
  return best
}

function anyOf(all: readonly Capabilities[]): Capabilities {
  const merged: Record<string, boolean> = {}
  for (const [name, can] of all.flatMap((one) => Object.entries(one) as [string, boolean][])) {
    merged[name] = merged[name] === true || can
  }
  return merged
}

function viewOfCapabilities({ jsonSchema, ...same }: Capabilities): CapabilitiesView {
  return { ...same, ...(jsonSchema === undefined ? {} : { json_schema: jsonSchema }) }
}

function viewOfPrice(price: Price | undefined): PriceView | null {
  if (price === undefined) return null
  const { longPrompt, source } = price
  return {
    ...viewOfRates(price),
    long_prompt: longPrompt === undefined ? null : { above_tokens: longPrompt.aboveTokens, ...viewOfRates(longPrompt) },
    source,
  }
}

function viewOfRates(
  rates: Pick<Price, 'inputPicoUsd' | 'outputPicoUsd' | 'cachedInputPicoUsd'>,
): Pick<PriceView, 'input_per_million_usd' | 'output_per_million_usd' | 'cached_input_per_million_usd'> {
  return {
    input_per_million_usd: usdPerMillion(rates.inputPicoUsd),
    output_per_million_usd: usdPerMillion(rates.outputPicoUsd),
    cached_input_per_million_usd: usdPerMillion(rates.cachedInputPicoUsd ?? rates.inputPicoUsd),
  }
}
