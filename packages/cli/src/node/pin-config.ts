import { type Deployment, familyOf, type InferqConfig, normalBaseUrl, type WireName } from '@inferq/config'
import type { BackendModels } from './ask-backend.ts'

/** A class that a pinned worker can serve, and what its backend has to have for it. */
export interface PinnedClass {
  readonly name: string
  readonly models: readonly Pick<Deployment, 'wire' | 'upstreamModel'>[]
}

/** How a pinned backend is asked: its wire, where, with what key. */
export interface BackendTarget {
  readonly wire: WireName
  readonly baseUrl: string
  readonly apiKey: string | undefined
}

/**
 * The configuration of a worker that has a backend of its own: every self-hosted deployment is called there, wherever the
 * file says it is. Clouds stay where they are. A circuit belongs to a deployment over all processes, and here every worker
 * has another backend behind the same deployment: one that is gone must not close the way to the others. So circuits are
 * off, and the worker watches its backend itself.
 */
export function pinConfig(config: InferqConfig, url: string): InferqConfig {
  const pinned = new Map(config.deployments.map((deployment) => [deployment.id, pinDeployment(deployment, url)]))
  const here = (deployments: readonly Deployment[]): Deployment[] =>
    deployments.map((deployment) => pinned.get(deployment.id) ?? deployment)
  return {
    ...config,
    deployments: here(config.deployments),
    models: config.models.map((model) => ({ ...model, deployments: here(model.deployments) })),
    breaker: { ...config.breaker, enabled: false },
  }
}

/** Classes with self-hosted deployments, in the order of the configuration. */
export function pinnedClasses(config: InferqConfig): readonly PinnedClass[] {
  return Object.keys(config.classes).flatMap((name) => {
    const models = config.deployments.filter((deployment) => deployment.class === name && isSelfHosted(deployment))
    return models.length === 0 ? [] : [{ name, models }]
  })
}

/** How the backend is to be asked, for the deployments of these classes: once for each wire. */
export function targetsOf(config: InferqConfig, classes: readonly string[] | undefined): readonly BackendTarget[] {
  const targets = new Map<string, BackendTarget>()
  for (const deployment of config.deployments) {
    if (!isSelfHosted(deployment) || (classes !== undefined && !classes.includes(deployment.class))) continue
    const { wire, baseUrl, apiKey } = deployment
    targets.set(`${wire} ${baseUrl}`, { wire, baseUrl, apiKey })
  }
  return [...targets.values()]
}

/** Models of the class that a backend with these models does not have; a wildcard stands for any it has. */
export function lacking({ models }: PinnedClass, has: BackendModels): readonly string[] {
  return models.filter(({ wire, upstreamModel }) => !isListed(upstreamModel, wire, has)).map((one) => one.upstreamModel)
}

function isListed(model: string, wire: WireName, has: BackendModels): boolean {
  const names = has.get(wire) ?? []
  if (model.includes('*')) return names.length > 0
  // Ollama's `llama3.1` is short for `llama3.1:latest`.
  return names.includes(model) || (wire === 'ollama' && names.includes(`${model}:latest`))
}

function pinDeployment(deployment: Deployment, url: string): Deployment {
  const family = familyOf(deployment.provider)
  if (family === undefined || !isSelfHosted(deployment)) return deployment
  return { ...deployment, baseUrl: normalBaseUrl(family, url) }
}

/** A server in the house, by its provider, or by standing somewhere else than its provider and asking for no key. */
export function isSelfHosted({ provider, wire, baseUrl, apiKey, simulated }: Deployment): boolean {
  const family = familyOf(provider)
  if (family === undefined) return false
  if (family.isLocal || simulated) return true
  return wire === 'openai' && apiKey === undefined && baseUrl !== family.baseUrl
}
