import { type Deployment, familyOf, type InferqConfig } from '@inferq/config'

/** A backend with more models than it may be able to hold. */
export interface SharedBackend {
  readonly baseUrl: string
  /** How it is asked what it has loaded; null: it cannot be. */
  readonly upstream: Pick<Deployment, 'provider' | 'baseUrl' | 'apiKey' | 'headers' | 'credentials'> | null
  readonly models: readonly SharedModel[]
}

/** A model under certain load options, and the classes that need just this. */
export interface SharedModel {
  /** Its first class's. */
  readonly name: string
  /** As the backend lists it, without the tag `latest`. */
  readonly listedAs: string
  readonly classes: readonly string[]
  /** Undefined: nobody has said. */
  readonly swapCostSeconds: number | undefined
}

interface Resident {
  readonly deployment: Deployment
  readonly recipe: string
}

/**
 * The backends of these classes that serve several models in turns: classes whose deployments are all of one model at one
 * Ollama, by its address; with `workers.max_loaded_models` at any self-hosted server. A class over several models or
 * addresses is in no turn, for holding it would hold the others.
 */
export function sharedBackends(config: InferqConfig, classes: readonly string[]): readonly SharedBackend[] {
  const byAddress = new Map<string, Map<string, { resident: Resident; classes: string[] }>>()
  for (const name of classes) {
    const resident = residentOf(config, name)
    if (resident === null) continue
    const models =
      byAddress.get(resident.deployment.baseUrl) ?? new Map<string, { resident: Resident; classes: string[] }>()
    byAddress.set(resident.deployment.baseUrl, models)
    const known = models.get(resident.recipe)
    if (known === undefined) models.set(resident.recipe, { resident, classes: [name] })
    else known.classes.push(name)
  }
  return [...byAddress].flatMap(([baseUrl, byRecipe]) => {
    if (byRecipe.size < 2) return []
    const entries = [...byRecipe.values()]
    const models = entries.map(({ resident, classes: ofModel }) => modelOf(config, resident, ofModel))
    const asked = entries.find(({ resident }) => resident.deployment.wire === 'ollama')
    return [{ baseUrl, upstream: asked?.resident.deployment ?? null, models }]
  })
}

/** Ollama writes the default tag out. */
export function listedName(model: string): string {
  return model.replace(/:latest$/, '')
}

function modelOf(config: InferqConfig, { deployment }: Resident, classes: readonly string[]): SharedModel {
  const costs = classes.flatMap((name) => config.classes[name]?.swapCostSeconds ?? [])
  const [name = ''] = classes
  const swapCostSeconds = costs.length === 0 ? undefined : Math.max(...costs)
  return { name, listedAs: listedName(deployment.upstreamModel), classes, swapCostSeconds }
}

/** What the class needs in memory; null when it is not one thing at one place that has turns. */
function residentOf(config: InferqConfig, name: string): Resident | null {
  const deployments = config.deployments.filter((deployment) => deployment.class === name)
  const hasTurns = (one: Deployment): boolean =>
    one.wire === 'ollama' ||
    (config.workers.maxLoadedModels !== undefined && familyOf(one.provider)?.isLocal === true && !one.simulated)
  const [deployment] = deployments
  if (deployment === undefined || !deployments.every(hasTurns) || deployment.upstreamModel.includes('*')) return null
  const recipes = new Set(deployments.map((one) => `${one.baseUrl} ${recipeOf(one)}`))
  return recipes.size === 1 ? { deployment, recipe: recipeOf(deployment) } : null
}

/** Equal for deployments that the same loaded model serves. */
function recipeOf({ upstreamModel, options }: Deployment): string {
  const load = Object.entries(options).filter(([option]) => option !== 'keep_alive')
  return JSON.stringify([listedName(upstreamModel), load.toSorted(([a], [b]) => (a < b ? -1 : 1))])
}
