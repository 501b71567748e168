import { type FallbackDraft, type FallbackDrafts, readFallbacks } from './fallbacks.ts'
import type { RoutingConfig } from './inferq-config.ts'
import type { LoadBalancing } from './load-balancing.ts'
import type { Named, Reader } from './reader.ts'
import { type RuleDraft, readRules } from './rules.ts'
import { alwaysOn, type LitellmSections } from './settings.ts'
import { readStrategy } from './strategy.ts'
import type { Place, Tree } from './tree.ts'

/** Routing with names that have yet to be checked. */
export interface RoutingDraft {
  readonly rules: readonly RuleDraft[]
  readonly aliases: readonly AliasDraft[]
  readonly fallbacks: FallbackDrafts
  readonly rest: Pick<RoutingConfig, 'strategy' | 'hybridWeights' | 'maxFallbacks' | 'tagFiltering'>
}

export interface AliasDraft {
  readonly name: string
  readonly place: Place
  readonly target: Named
  readonly hidden: boolean
}

/** What the file says beside models and rules. */
interface RoutingParts {
  readonly features: readonly Tree[]
  /** From the models' own parameters. */
  readonly ownFallbacks: readonly FallbackDraft[]
  readonly loadBalancing: LoadBalancing
}

export function readRouting(
  top: ReadonlyMap<string, Tree>,
  sections: LitellmSections,
  { features, ownFallbacks, loadBalancing }: RoutingParts,
  reader: Reader,
): RoutingDraft {
  const { router } = sections
  // "simple-fallback" is: shuffle, and after a failure go to fallback_models.
  const named = readStrategy(router.get('routing_strategy') ?? top.get('routing_strategy'), reader, {
    'simple-fallback': 'simple-shuffle',
  })
  for (const key of ['enable_pre_call_checks', 'enable_pre_call_check', 'tag_filtering_match_any']) {
    alwaysOn(router.get(key), reader)
  }
  return {
    rules: readRules(top, features, reader),
    aliases: readAliases(router.get('model_group_alias'), reader),
    fallbacks: readFallbacks(top, sections, ownFallbacks, reader),
    rest: {
      strategy: named ?? loadBalancing.strategy ?? 'simple-shuffle',
      hybridWeights: readHybridWeights(router.get('hybrid_weights'), reader),
      // LiteLLM's default.
      maxFallbacks: reader.number(router.get('max_fallbacks'), { min: 0, max: 100, integer: true }) ?? 5,
      tagFiltering: reader.flag(router.get('enable_tag_filtering')) ?? false,
    },
  }
}

function readAliases(tree: Tree | undefined, reader: Reader): AliasDraft[] {
  return [...(reader.names(tree) ?? [])].flatMap(([name, value]) => {
    const values = value.kind === 'map' ? reader.section(value, { acts: ['model', 'hidden'] }) : undefined
    const place = values === undefined ? value : values.get('model')
    const model = reader.text(place)
    const hidden = reader.flag(values?.get('hidden')) ?? false
    if (place === undefined) reader.fault(value, 'no model', 'model, the name it stands for')
    if (name.includes('*')) reader.fault(value, `the alias "${name}"`, 'a name without *')
    if (place === undefined || model === undefined) return []
    return [{ name, place: value, target: { name: model, place }, hidden }]
  })
}

/** Each counts the same where nothing else is said. */
function readHybridWeights(tree: Tree | undefined, reader: Reader): RoutingConfig['hybridWeights'] {
  const values = reader.section(tree, { acts: ['cost', 'latency', 'load'] })
  const weight = (key: string): number => {
    return reader.number(values?.get(key), { min: 0, max: 1e6 }) ?? (values === undefined ? 1 : 0)
  }
  const weights = { cost: weight('cost'), latency: weight('latency'), load: weight('load') }
  if (tree && values !== undefined && weights.cost + weights.latency + weights.load === 0) {
    reader.fault(tree, 'weights of nothing', 'at least one of cost, latency, load above 0')
  }
  return weights
}
