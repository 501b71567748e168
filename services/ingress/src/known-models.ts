import { type Capabilities, lookUpModel, type ModelFacts, type Price } from '@inferq/catalog'
import type { Deployment, DeploymentMode, InferqConfig } from '@inferq/config'
import { createNames, type Names, upstreamModel } from '@inferq/routing'

/** A name that clients may use, and what stands behind it. */
export interface KnownModel {
  readonly name: string
  /** The name is a pattern. */
  readonly isWildcard: boolean
  /** The model that an alias stands for. */
  readonly aliasOf: string | null
  /** In the order of the configuration; never empty. */
  readonly deployments: readonly KnownDeployment[]
}

/** A deployment as it serves one public name: where a wildcard stands in it, the facts are those of the model it means. */
export interface KnownDeployment {
  readonly deployment: Deployment
  readonly upstreamModel: string
  /** Undefined, here as below: not known. */
  readonly price: Price | undefined
  readonly contextWindow: number | undefined
  readonly maxOutputTokens: number | undefined
  readonly mode: DeploymentMode | undefined
  readonly capabilities: Capabilities
}

export interface KnownModels {
  /** Models and wildcards in the order of the configuration, then aliases that are not hidden. */
  list(): readonly KnownModel[]
  /** By the name a client would send. */
  find(name: string): KnownModel | undefined
}

/** Reads the configuration in force whenever it is asked. */
export function createKnownModels(config: () => InferqConfig): KnownModels {
  let named: { readonly config: InferqConfig; readonly names: Names } | undefined
  const names = (): Names => {
    const current = config()
    if (named?.config !== current) named = { config: current, names: createNames(current) }
    return named.names
  }
  const find = (name: string): KnownModel | undefined => {
    const found = names().resolve(name)
    if (found === undefined) return undefined
    return {
      name,
      isWildcard: found.name.includes('*'),
      aliasOf: found.name === name ? null : found.name,
      deployments: found.plan.entry.deployments.map((deployment) => knownAs(deployment, found.name)),
    }
  }
  return {
    list() {
      const { models, routing } = config()
      const shown = Object.entries(routing.aliases).filter(([, { hidden }]) => !hidden)
      const all = [...models.map(({ name }) => name), ...shown.map(([alias]) => alias)]
      return [...new Set(all)].flatMap((name) => find(name) ?? [])
    },
    find,
  }
}

/** Whether a deployment answers requests of this kind; one that does not say is taken to answer any. */
export function answers({ mode }: KnownDeployment, asked: DeploymentMode): boolean {
  return (mode ?? asked) === asked
}

function knownAs(deployment: Deployment, name: string): KnownDeployment {
  const upstream = upstreamModel(deployment, name)
  // The configuration could not look up what the wildcard means in this request.
  const facts: ModelFacts | null =
    upstream === deployment.upstreamModel ? null : lookUpModel(deployment.provider, upstream)
  return {
    deployment,
    upstreamModel: upstream,
    price: deployment.price ?? facts?.price,
    contextWindow: deployment.contextWindow ?? facts?.contextWindow,
    maxOutputTokens: deployment.maxOutputTokens ?? facts?.maxOutputTokens,
    mode: deployment.mode ?? facts?.mode,
    capabilities: { ...facts?.capabilities, ...deployment.capabilities },
  }
}
