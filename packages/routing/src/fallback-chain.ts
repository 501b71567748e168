import type { InferqConfig } from '@inferq/config'
import type { NamedModel, Names } from './names.ts'

/** A model of a chain, and where only certain failures of it lead. */
export interface ChainLink {
  readonly model: NamedModel
  readonly afterContextWindow: readonly NamedModel[]
  readonly afterContentPolicy: readonly NamedModel[]
}

/** The models to try in turn, from a first one on. */
export type FallbackChains = (first: NamedModel, tried?: readonly NamedModel[]) => readonly ChainLink[]

/** By public name, that of a wildcard included. */
type Lists = ReadonlyMap<string, readonly NamedModel[]>

/**
 * General fallbacks are followed from model to model, the first one's first (depth-first), each model once, at most
 * `maxFallbacks` of them. A model without any has the default ones. `tried` come not again.
 */
export function createFallbackChains(config: InferqConfig, names: Names): FallbackChains {
  const { fallbacks, maxFallbacks } = config.routing
  const any = readLists(fallbacks.any, names)
  const contextWindow = readLists(fallbacks.contextWindow, names)
  const contentPolicy = readLists(fallbacks.contentPolicy, names)
  const otherwise = fallbacks.otherwise.flatMap((name) => names.resolve(name) ?? [])

  const linkOf = (model: NamedModel): ChainLink => ({
    model,
    afterContextWindow: others(listOf(contextWindow, model), model).slice(0, maxFallbacks),
    afterContentPolicy: others(listOf(contentPolicy, model), model).slice(0, maxFallbacks),
  })
  const follow = (first: NamedModel, tried: readonly NamedModel[]): readonly ChainLink[] => {
    const seen = new Set(tried.map(({ name }) => name))
    const chain: NamedModel[] = []
    const visit = (model: NamedModel): void => {
      if (seen.has(model.name) || chain.length > maxFallbacks) return
      seen.add(model.name)
      chain.push(model)
      for (const next of listOf(any, model) ?? otherwise) visit(next)
    }
    visit(first)
    return chain.map(linkOf)
  }

  // The names that wildcards match are without number; the others are those of the configuration.
  const known = new Map<string, readonly ChainLink[]>()
  return (first, tried = []) => {
    if (tried.length > 0 || first.plan.isWildcard) return follow(first, tried)
    let chain = known.get(first.name)
    if (chain === undefined) {
      chain = follow(first, tried)
      known.set(first.name, chain)
    }
    return chain
  }
}

/** A list under an alias is that of its model; lists that come to the same model are put together. */
function readLists(lists: Readonly<Record<string, readonly string[]>>, names: Names): Lists {
  const read = new Map<string, NamedModel[]>()
  for (const [name, targets] of Object.entries(lists)) {
    const key = name.includes('*') ? name : (names.resolve(name)?.name ?? name)
    const list = read.get(key) ?? []
    list.push(...targets.flatMap((target) => names.resolve(target) ?? []))
    read.set(key, list)
  }
  return read
}

function listOf(lists: Lists, { name, plan }: NamedModel): readonly NamedModel[] | undefined {
  return lists.get(name) ?? (plan.isWildcard ? lists.get(plan.entry.name) : undefined)
}

function others(list: readonly NamedModel[] | undefined, model: NamedModel): readonly NamedModel[] {
  return list === undefined ? [] : list.filter(({ name }) => name !== model.name)
}
