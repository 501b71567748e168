import type { Named, Reader } from './reader.ts'
import type { LitellmSections } from './settings.ts'
import { readNames } from './texts.ts'
import type { Tree } from './tree.ts'

/** Where one model's requests go after a failure, in order, each model once. */
export interface FallbackDraft {
  readonly from: Named
  readonly to: readonly Named[]
}

export interface FallbackDrafts {
  readonly any: readonly FallbackDraft[]
  readonly contextWindow: readonly FallbackDraft[]
  readonly contentPolicy: readonly FallbackDraft[]
  readonly otherwise: readonly Named[]
}

/**
 * All spellings of fallbacks. What several places say of a model comes together in this order: its own
 * `litellm_params.fallbacks` (`own`), `router_settings`, `litellm_settings`, the section `fallbacks`.
 */
export function readFallbacks(
  top: ReadonlyMap<string, Tree>,
  { router, litellm }: LitellmSections,
  own: readonly FallbackDraft[],
  reader: Reader,
): FallbackDrafts {
  const sections = [router, litellm, top]
  const read = (key: string): FallbackDraft[] => sections.flatMap((section) => readList(section.get(key), reader))
  const any = read('fallbacks')
  const named = ['default_fallbacks', 'fallback_models'].flatMap((key) => {
    return sections.flatMap((section) => readNames(section.get(key), reader))
  })
  // LiteLLM's other way to say default_fallbacks: a model named "*".
  const star = any.filter(({ from }) => from.name === '*').flatMap(({ to }) => to)
  return {
    any: join([...own, ...any.filter(({ from }) => from.name !== '*')]),
    contextWindow: join(read('context_window_fallbacks')),
    contentPolicy: join(read('content_policy_fallbacks')),
    otherwise: distinct([...named, ...star]),
  }
}

/** `[{a: [b, c]}]` as LiteLLM writes it, or `[{model: a, fallback: b, fallback: c}]`; a map of them all too. */
function readList(tree: Tree | undefined, reader: Reader): FallbackDraft[] {
  const items = tree?.kind === 'map' ? [tree] : (reader.list(tree) ?? [])
  return items.flatMap((item) => {
    const pairs = reader.pairs(item)
    if (pairs === undefined) return []
    // A model may have one of these names: LiteLLM's form has a list behind it.
    const isOurs = pairs.some(({ name, tree: value }) => ownKeys.includes(name) && value.kind === 'scalar')
    return isOurs
      ? readOurs(item, reader)
      : pairs.map(({ name, tree: to }) => ({ from: { name, place: to }, to: readNames(to, reader) }))
  })
}

const ownKeys: readonly string[] = ['model', 'primary', 'fallback']

/** A repeated `fallback` is the next one to try. */
function readOurs(item: Tree, reader: Reader): FallbackDraft[] {
  const from: Named[] = []
  const to: Named[] = []
  for (const { name, tree } of reader.pairs(item) ?? []) {
    if (name === 'model' || name === 'primary') from.push(...readNames(tree, reader))
    else if (name === 'fallback' || name === 'fallbacks') to.push(...readNames(tree, reader))
    else reader.fault(tree, 'an unknown key', 'one of model, primary, fallback')
  }
  const [first, second] = from
  if (first === undefined) reader.fault(item, 'fallbacks of no model', 'model, the one that fails')
  if (second !== undefined) reader.fault(second.place, 'a second model', 'one of model, primary')
  if (to.length === 0) reader.fault(item, 'no fallback', 'fallback, the model to go to')
  return first === undefined ? [] : [{ from: first, to }]
}

function join(drafts: readonly FallbackDraft[]): FallbackDraft[] {
  const joined = new Map<string, FallbackDraft>()
  for (const { from, to } of drafts) {
    const before = joined.get(from.name)
    joined.set(from.name, { from: before?.from ?? from, to: distinct([...(before?.to ?? []), ...to]) })
  }
  return [...joined.values()]
}

function distinct(names: readonly Named[]): readonly Named[] {
  const seen = new Set<string>()
  return names.filter(({ name }) => !seen.has(name) && seen.add(name))
}
