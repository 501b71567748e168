import { checkIds, checkKnown, checkRouting, checkSettings } from './check-names.ts'
import { checkUnusedSections } from './checked-sections.ts'
import type { DeploymentDraft } from './deployment.ts'
import { type DetectedBackend, draftDetected } from './detected.ts'
import type { DeploymentMode } from './inferq-config.ts'
import { acceptedTopLevel } from './litellm-keys.ts'
import { type LoadBalancing, readLoadBalancing } from './load-balancing.ts'
import { readModels } from './model-list.ts'
import { createNames, type Names } from './names.ts'
import { type OverlayRead, ownFallbacks } from './overlay.ts'
import { applyPriceList, type PriceLine, readPriceList } from './price-list.ts'
import type { Reader } from './reader.ts'
import { type RoutingDraft, readRouting } from './routing-section.ts'
import { readLitellmSections, readSettings, type Settings } from './settings.ts'
import type { Tree } from './tree.ts'

/** Everything that a file (or what was detected without one) says, its names not yet checked. */
export interface FileDraft {
  readonly drafts: readonly DeploymentDraft[]
  /** Of every model that is declared, its faults or not. */
  readonly names: readonly string[]
  /** Every declared model could be read. */
  readonly complete: boolean
  readonly prices: readonly PriceLine[]
  readonly loadBalancing: LoadBalancing
  readonly settings: Settings
  readonly routing: RoutingDraft
}

const topRules = {
  acts: [
    ...['model_list', 'models', 'general_settings', 'router_settings', 'litellm_settings', 'environment_variables'],
    ...['include', 'routing', 'routing_rules', 'fallbacks', 'load_balancing', 'pricing', 'classes', 'workers'],
    ...['retention', 'files', 'breaker', 'health_checks', 'cache', 'caching', 'rate_limits', 'budget_limits'],
    ...['routing_strategy', 'fallback_models', 'webhooks', 'shares'],
  ],
  accepted: acceptedTopLevel,
}

export function readSections(
  tree: Tree | null,
  reader: Reader,
  variable: (names: readonly string[]) => string | undefined,
  detected: readonly DetectedBackend[],
): FileDraft {
  const top = (tree === null ? undefined : reader.section(tree, topRules)) ?? new Map<string, Tree>()
  const loadBalancing = readLoadBalancing(top.get('load_balancing'), reader)
  const models = readModels(top, reader, { variable, loadBalancing })
  const found = models.declares ? [] : draftDetected(detected, variable)
  const prices = readPriceList(top.get('pricing'), reader)
  const sections = readLitellmSections(top, reader)
  const settings = readSettings(top, sections, reader)
  const parts = { features: models.features, ownFallbacks: ownFallbacks(models.drafts), loadBalancing }
  const routing = readRouting(top, sections, parts, reader)
  checkUnusedSections(top, sections, reader)
  return {
    drafts: applyPriceList([...models.drafts, ...found], prices, reader),
    names: [...models.names, ...found.map((draft) => draft.model)],
    complete: models.complete,
    ...{ prices, loadBalancing, settings, routing },
  }
}

/** What one part says of another: names that have to be there. Gives the names that there are. */
export function checkSections(file: FileDraft, rows: readonly OverlayRead[], reader: Reader): Names {
  const { routing, settings, prices, drafts } = file
  // A row that takes the name of an alias is wrong, not the alias.
  const aliases = new Set(routing.aliases.map((alias) => alias.name))
  const rowNames = rows.map(({ row }) => row.modelName).filter((name) => !aliases.has(name))
  const names = createNames([...file.names, ...rowNames], routing.aliases)
  const all = [...drafts, ...rows.flatMap((row) => row.drafts)]
  // A file without models waits for those that are detected later: nothing can be said of names before.
  if (names.models.length > 0) {
    checkRouting(routing, names, modesOf(all), reader)
    for (const { model } of prices) checkKnown(model, names, reader)
  }
  checkIds(drafts, reader)
  if (file.complete) checkSettings(settings, all, names, reader)
  return names
}

/** What each model answers, where that is known. */
function modesOf(drafts: readonly DeploymentDraft[]): ReadonlyMap<string, DeploymentMode> {
  const modes = new Map<string, DeploymentMode>()
  for (const { model, mode } of drafts) if (mode !== undefined && !modes.has(model)) modes.set(model, mode)
  return modes
}
