import type { FallbackDraft } from './fallbacks.ts'
import type { RoutingConfig, RoutingRule, RuleTarget } from './inferq-config.ts'
import type { Names } from './names.ts'
import type { RoutingDraft } from './routing-section.ts'

/**
 * Routing with every name checked: aliases are replaced by their models, and fallbacks to models that do not serve now
 * (rows of the database with a fault) are left out. `served`: what `names` knows and has a deployment for.
 */
export function assembleRouting(
  { rules, aliases, fallbacks, rest }: RoutingDraft,
  overlayFallbacks: readonly FallbackDraft[],
  names: Names,
  served: (name: string) => boolean,
): RoutingConfig {
  const lists = (drafts: readonly FallbackDraft[]): Record<string, readonly string[]> => {
    const joined = new Map<string, string[]>()
    for (const { from, to } of drafts) {
      const model = names.resolve(from.name)
      const before = joined.get(model) ?? []
      const targets = to.map(({ name }) => names.resolve(name)).filter(served)
      joined.set(model, [...new Set([...before, ...targets])])
    }
    return Object.fromEntries([...joined].filter(([, targets]) => targets.length > 0))
  }
  return {
    ...rest,
    rules: rules.map(({ rule }): RoutingRule => ({ ...rule, to: resolveTarget(rule.to, names) })),
    aliases: Object.fromEntries(aliases.map(({ name, target, hidden }) => [name, { model: target.name, hidden }])),
    fallbacks: {
      any: lists([...fallbacks.any, ...overlayFallbacks]),
      contextWindow: lists(fallbacks.contextWindow),
      contentPolicy: lists(fallbacks.contentPolicy),
      otherwise: [...new Set(fallbacks.otherwise.map(({ name }) => names.resolve(name)).filter(served))],
    },
  }
}

function resolveTarget(target: RuleTarget, { resolve }: Names): RuleTarget {
  switch (target.kind) {
    case 'asked':
      return target
    case 'model':
      return { ...target, model: resolve(target.model) }
    case 'split':
      return { ...target, shares: target.shares.map((share) => ({ ...share, model: resolve(share.model) })) }
    case 'heuristic': {
      const models = Object.entries(target.models).map(([kind, model]) => [kind, resolve(model)])
      return { ...target, models: { ...Object.fromEntries(models), simple: resolve(target.models.simple) } }
    }
    case 'cascade':
      return { ...target, models: target.models.map(resolve) }
    default:
      return target satisfies never
  }
}
