import { classOf } from './assemble.ts'
import type { DeploymentDraft } from './deployment.ts'
import type { FallbackDraft } from './fallbacks.ts'
import type { DeploymentMode } from './inferq-config.ts'
import type { Names } from './names.ts'
import { type Named, type Reader, shortList } from './reader.ts'
import type { RoutingDraft } from './routing-section.ts'
import type { Settings } from './settings.ts'
import { didYouMean } from './suggest.ts'

/** Whatever names a model names one that is there, and fallbacks lead somewhere else. */
export function checkRouting(
  { aliases, rules, fallbacks }: RoutingDraft,
  names: Names,
  modes: ReadonlyMap<string, DeploymentMode>,
  reader: Reader,
): void {
  const known = (named: Named): void => checkKnown(named, names, reader)
  /** Somewhere to go to: a pattern is no model. */
  const knownOne = (named: Named): void => {
    if (named.name.includes('*')) reader.fault(named.place, `"${named.name}", a pattern`, 'the name of one model')
    else known(named)
  }
  const aliasNames = new Set(aliases.map((alias) => alias.name))
  for (const alias of aliases) {
    if (names.models.includes(alias.name))
      reader.fault(alias.place, `the alias "${alias.name}", which is a model too`, 'another name')
    if (aliasNames.has(alias.target.name) && !names.models.includes(alias.target.name)) {
      reader.fault(alias.target.place, `the alias "${alias.target.name}"`, 'a model, not another alias')
    } else known(alias.target)
  }
  for (const { models } of rules) for (const model of models) knownOne(model)
  for (const list of [fallbacks.any, fallbacks.contextWindow, fallbacks.contentPolicy]) {
    for (const draft of list) {
      known(draft.from)
      for (const to of draft.to) {
        knownOne(to)
        checkTarget(draft, to, names, modes, reader)
      }
    }
  }
  for (const to of fallbacks.otherwise) knownOne(to)
  for (const { way, place } of findCycles(fallbacks.any, names)) {
    reader.fault(place, `a circle of fallbacks: ${way.join(' → ')}`, 'fallbacks that do not lead back')
  }
}

export function checkKnown({ name, place }: Named, names: Names, reader: Reader): void {
  if (names.knows(name)) return
  const expected = names.models.length === 0 ? 'a model, and there is none' : `one of ${shortList(names.models)}`
  reader.fault(place, `"${name.slice(0, 100)}"`, expected, didYouMean(name, names.models))
}

function checkTarget(
  { from }: FallbackDraft,
  to: Named,
  names: Names,
  modes: ReadonlyMap<string, DeploymentMode>,
  reader: Reader,
): void {
  const source = names.resolve(from.name)
  const target = names.resolve(to.name)
  if (source === target) reader.fault(to.place, `"${to.name}" as its own fallback`, 'another model')
  const [mode, other] = [modes.get(source), modes.get(target)]
  if (mode === undefined || other === undefined || mode === other) return
  reader.fault(to.place, `"${to.name}", a model for ${other}`, `a model for ${mode}, as "${from.name}" is`)
}

/** A way from a model back to itself, and where the step stands that closes it. */
export interface Cycle {
  readonly way: readonly string[]
  readonly place: Named['place']
}

/** Every step back is found once; a model in its own list is not looked at here. */
export function findCycles(fallbacks: readonly FallbackDraft[], names: Names): Cycle[] {
  const next = new Map<string, readonly Named[]>()
  for (const { from, to } of fallbacks) {
    const model = names.resolve(from.name)
    next.set(model, [...(next.get(model) ?? []), ...to])
  }
  const done = new Set<string>()
  const way: string[] = []
  const cycles: Cycle[] = []
  const visit = (model: string): void => {
    way.push(model)
    for (const to of next.get(model) ?? []) {
      const target = names.resolve(to.name)
      if (target === model) continue
      const start = way.indexOf(target)
      if (start >= 0) cycles.push({ way: [...way.slice(start), target], place: to.place })
      else if (!done.has(target)) visit(target)
    }
    way.pop()
    done.add(model)
  }
  for (const model of next.keys()) if (!done.has(model)) visit(model)
  return cycles
}

/** Classes that are set up have models, and the default model is one. */
export function checkSettings(
  settings: Settings,
  drafts: readonly DeploymentDraft[],
  names: Names,
  reader: Reader,
): void {
  if (drafts.length === 0) return
  const classes = [...new Set(drafts.map(classOf))]
  for (const [name, { place }] of settings.classes) {
    if (classes.includes(name)) continue
    reader.fault(place, 'a class that no model has', `one of ${shortList(classes)}`, didYouMean(name, classes))
  }
  if (settings.defaultModel !== undefined) checkKnown(settings.defaultModel, names, reader)
}

/** Ids that files give themselves are given once. */
export function checkIds(drafts: readonly DeploymentDraft[], reader: Reader): void {
  const seen = new Set<string>()
  const told = new Set<unknown>()
  for (const { id, place } of drafts) {
    if (id === undefined) continue
    // The deployments of one entry (one for each key) share its id and are numbered.
    if (seen.has(id) && !told.has(place)) reader.fault(place, `the id "${id}" again`, 'each id only once')
    seen.add(id)
    told.add(place)
  }
}
