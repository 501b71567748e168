import type { Deployment, DeploymentMode, InferqConfig, ModelEntry } from '@inferq/config'
import type { Candidate, Operation } from '@inferq/contracts'

/** Where a request may go. */
export type Route =
  /** In order of preference, at least one. */
  | { readonly kind: 'candidates'; readonly candidates: readonly Candidate[] }
  /** No model has that name; `known` are those that do exist, in the order of the configuration. */
  | { readonly kind: 'unknown_model'; readonly known: readonly string[] }
  /** The model exists, and answers only the other kind of request. */
  | { readonly kind: 'unfit_model'; readonly mode: DeploymentMode; readonly fit: readonly string[] }

/** A configuration's routes, computed once; asking allocates nothing. */
export interface Routes {
  candidatesFor(model: string, operation: Operation): Route
  /** The deployment with that id; undefined when the configuration (no longer) has it. */
  deployment(id: string): Deployment | undefined
  /** The deployments of a candidate that the configuration (still) has, in its order. */
  deploymentsOf(candidate: Candidate): readonly Deployment[]
}

const modes: readonly DeploymentMode[] = ['chat', 'embedding']

export function createRoutes(config: InferqConfig): Routes {
  const known = config.models.map((model) => model.name)
  const unknown: Route = { kind: 'unknown_model', known }
  const byModel = new Map(config.models.map((model) => [model.name, routesOf(model, config)]))
  const byId = new Map(config.deployments.map((deployment) => [deployment.id, deployment]))
  return {
    candidatesFor: (model, operation) => byModel.get(model)?.[modeOf(operation)] ?? unknown,
    deployment: (id) => byId.get(id),
    deploymentsOf: (candidate) => candidate.deployments.flatMap((id) => byId.get(id) ?? []),
  }
}

function modeOf(operation: Operation): DeploymentMode {
  return operation === 'embeddings' ? 'embedding' : 'chat'
}

function routesOf(model: ModelEntry, config: InferqConfig): Readonly<Record<DeploymentMode, Route>> {
  return { chat: routeOf(model, 'chat', config), embedding: routeOf(model, 'embedding', config) }
}

function routeOf(model: ModelEntry, mode: DeploymentMode, config: InferqConfig): Route {
  const candidates = candidatesOf(model, mode)
  if (candidates.length > 0) return { kind: 'candidates', candidates }
  const other = modes.find((candidate) => candidate !== mode) ?? mode
  const fit = config.models.filter((entry) => candidatesOf(entry, mode).length > 0).map((entry) => entry.name)
  return { kind: 'unfit_model', mode: other, fit }
}

/** One candidate for every class among a model's deployments, in the order of the file. */
function candidatesOf(model: ModelEntry, mode: DeploymentMode): readonly Candidate[] {
  const byClass = new Map<string, string[]>()
  for (const deployment of model.deployments) {
    if (deployment.mode !== undefined && deployment.mode !== mode) continue
    const ids = byClass.get(deployment.class)
    if (ids === undefined) byClass.set(deployment.class, [deployment.id])
    else ids.push(deployment.id)
  }
  return [...byClass].map(([name, deployments]) => ({ model: model.name, class: name, deployments }))
}
