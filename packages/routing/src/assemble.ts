import type { Candidate, ErrorDetail } from '@inferq/contracts'
import type { ChainLink } from './fallback-chain.ts'
import type { NamedModel } from './names.ts'
import { nextCandidate } from './next-candidate.ts'
import { type Shortlist, shortlist } from './shortlist.ts'
import type { Situation } from './situation.ts'

/** What a chain of models comes to. */
export interface Assembly {
  /** The first leads in any case; none: nothing fits. */
  readonly candidates: readonly Candidate[]
  /** Why the first model is not among them, if it is not. */
  readonly firstLeftOut: ErrorDetail | undefined
  /** Every circuit is open; the first is tried again then, in ms since the epoch. Otherwise Infinity. */
  readonly openUntil: number
}

/**
 * The candidates of all models of a chain, in order. Each model's own come first, then those that only certain failures
 * of it lead to. A model whose prompt is too long for it is replaced by its fallbacks for just that. What cannot be
 * called now (circuits open, limits reached) goes to the end.
 */
export function assemble(links: readonly ChainLink[], situation: Situation, isVerified: IsVerified): Assembly {
  const ready: Candidate[] = []
  const late: Candidate[] = []
  let firstLeftOut: ErrorDetail | undefined
  let openUntil = Number.POSITIVE_INFINITY
  let isOpen = true
  const placed = new Set<string>()
  links.forEach((link, index) => {
    if (placed.has(link.model.name)) return
    const list = shortlist(link.model, situation)
    if (index === 0 && list.kind === 'none') firstLeftOut = list.error
    for (const serving of inItsPlace(link, list, placed, situation)) {
      if (serving.openUntil === Number.POSITIVE_INFINITY) isOpen = false
      openUntil = Math.min(openUntil, serving.openUntil)
      const verified = isVerified(link.model)
        ? (candidate: Candidate) => ({ ...candidate, verify: true as const })
        : same
      ready.push(...serving.ready.map(verified))
      const conditional = list.kind === 'candidates' ? conditionals(link, situation) : []
      if (serving.ready.length > 0) ready.push(...conditional)
      late.push(...serving.late.map(verified))
      if (serving.ready.length === 0) late.push(...conditional)
    }
  })
  const candidates = withoutIdleChecks([...ready, ...late])
  return { candidates, firstLeftOut, openUntil: isOpen ? openUntil : Number.POSITIVE_INFINITY }
}

/** Whether the model's answers are looked over. */
export type IsVerified = (model: NamedModel) => boolean

type Serving = Extract<Shortlist, { kind: 'candidates' }>

/** The model itself, or what stands in for it when the prompt is too long for it; nothing that has its place already. */
function inItsPlace(link: ChainLink, list: Shortlist, placed: Set<string>, situation: Situation): readonly Serving[] {
  if (list.kind === 'candidates') {
    placed.add(link.model.name)
    return [list]
  }
  if (list.why !== 'context') return []
  return link.afterContextWindow.flatMap((model) => {
    if (placed.has(model.name)) return []
    placed.add(model.name)
    return servings(model, situation)
  })
}

function conditionals(link: ChainLink, situation: Situation): readonly Candidate[] {
  const after = (models: readonly NamedModel[], kind: NonNullable<Candidate['after']>): readonly Candidate[] =>
    models
      .flatMap((model) => servings(model, situation))
      .flatMap(({ ready, late }) => [...ready, ...late])
      .map((candidate) => ({ ...candidate, after: kind }))
  if (link.afterContextWindow.length === 0 && link.afterContentPolicy.length === 0) return []
  return [...after(link.afterContextWindow, 'context_window'), ...after(link.afterContentPolicy, 'content_policy')]
}

function servings(model: NamedModel, situation: Situation): readonly Serving[] {
  const list = shortlist(model, situation)
  return list.kind === 'candidates' ? [list] : []
}

/** An answer is only looked over where there is another model to ask. */
function withoutIdleChecks(candidates: readonly Candidate[]): readonly Candidate[] {
  if (!candidates.some(({ verify }) => verify)) return candidates
  return candidates.map((candidate, index) => {
    if (!candidate.verify || nextCandidate(candidates, index, { code: 'answer_rejected' }) !== null) return candidate
    const { verify, ...unverified } = candidate
    return unverified
  })
}

function same(candidate: Candidate): Candidate {
  return candidate
}
