import { lookUpModel } from '@inferq/catalog'
import type { Deployment, InferqConfig } from '@inferq/config'
import { createModelPlan, type ModelPlan } from './model-plan.ts'

/** A public name and what stands behind it. */
export interface NamedModel {
  /** The public name: of a wildcard what was asked for, of an alias what it stands for. */
  readonly name: string
  readonly plan: ModelPlan
}

export interface Names {
  /** Models first, then aliases, then the wildcard with the longest literal part. Undefined: nobody has that name. */
  resolve(name: string): NamedModel | undefined
}

interface Wildcard {
  readonly plan: ModelPlan
  readonly prefix: string
  readonly suffix: string
}

export function createNames(config: InferqConfig): Names {
  const byName = new Map<string, NamedModel>()
  const wildcards: Wildcard[] = []
  for (const entry of config.models) {
    const plan = createModelPlan(entry)
    const pattern = splitPattern(entry.name)
    if (pattern === null) byName.set(entry.name, { name: entry.name, plan })
    else wildcards.push({ plan, ...pattern })
  }
  // Stable: of two alike, the one that comes first in the file.
  wildcards.sort((a, b) => b.plan.entry.name.length - a.plan.entry.name.length)

  /** Clients choose these names: only so many are kept. */
  const plans = new Map<string, ModelPlan>()
  const matched = (plan: ModelPlan, name: string): ModelPlan => {
    const known = plans.get(name)
    if (known !== undefined) return known
    const { entry } = plan
    const concrete = createModelPlan({ ...entry, deployments: entry.deployments.map((one) => asMatched(one, name)) })
    if (plans.size >= mostPlans) plans.clear()
    plans.set(name, concrete)
    return concrete
  }

  const named = (name: string): NamedModel | undefined => {
    const exact = byName.get(name)
    if (exact !== undefined) return exact
    const wildcard = wildcards.find(({ prefix, suffix }) => fits(name, prefix, suffix))
    return wildcard === undefined ? undefined : { name, plan: matched(wildcard.plan, name) }
  }
  for (const alias of Object.keys(config.routing.aliases)) {
    const target = aliased(alias, config)
    const model = byName.has(alias) || target === undefined ? undefined : named(target)
    if (model !== undefined) byName.set(alias, model)
  }
  return { resolve: named }
}

const mostPlans = 500

/** A wildcard's deployment with what is publicly known of the model it stands for now. */
function asMatched(deployment: Deployment, name: string): Deployment {
  const facts = deployment.upstreamModel.includes('*')
    ? lookUpModel(deployment.provider, upstreamModel(deployment, name))
    : null
  if (facts === null) return deployment
  const price = deployment.price ?? facts.price
  const contextWindow = deployment.contextWindow ?? facts.contextWindow
  return {
    ...deployment,
    ...(price === undefined ? {} : { price }),
    ...(contextWindow === undefined ? {} : { contextWindow }),
  }
}

/** An alias may stand for another alias; one that leads back to itself stands for nothing. */
function aliased(name: string, config: InferqConfig): string | undefined {
  const { aliases } = config.routing
  const isModel = (candidate: string): boolean => config.models.some((entry) => entry.name === candidate)
  const seen = new Set<string>()
  let target: string | undefined = name
  while (target !== undefined && !isModel(target) && Object.hasOwn(aliases, target)) {
    if (seen.has(target)) return undefined
    seen.add(target)
    target = aliases[target]?.model
  }
  return target
}

/** The name at the upstream for a public name: what the `*` of the public name matched stands for the one at the upstream. */
export function upstreamModel(deployment: Deployment, model: string): string {
  const pattern = splitPattern(deployment.model)
  const upstream = splitPattern(deployment.upstreamModel)
  if (pattern === null || upstream === null) return deployment.upstreamModel
  const { prefix, suffix } = pattern
  const matched = fits(model, prefix, suffix) ? model.slice(prefix.length, model.length - suffix.length) : model
  return `${upstream.prefix}${matched}${upstream.suffix}`
}

function splitPattern(name: string): { readonly prefix: string; readonly suffix: string } | null {
  const star = name.indexOf('*')
  return star < 0 ? null : { prefix: name.slice(0, star), suffix: name.slice(star + 1) }
}

function fits(name: string, prefix: string, suffix: string): boolean {
  return name.length > prefix.length + suffix.length && name.startsWith(prefix) && name.endsWith(suffix)
}
