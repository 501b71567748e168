import type { Deployment } from '@inferq/config'
import type { Candidate, ErrorDetail } from '@inferq/contracts'
import { availabilityOf } from './availability.ts'
import { estimateCostNanoUsd } from './estimate-cost.ts'
import { fittingDeployments } from './fitting.ts'
import { byClass, createCandidate, type Level, modeOf } from './model-plan.ts'
import type { NamedModel } from './names.ts'
import { unfitError } from './refusals.ts'
import type { Situation } from './situation.ts'
import { orderMembers, type StrategyContext } from './strategies.ts'

/** What one model can do for a request. */
export type Shortlist =
  | {
      readonly kind: 'candidates'
      /** In the order they are to be tried. */
      readonly ready: readonly Candidate[]
      /** None of their deployments may be called now. */
      readonly late: readonly Candidate[]
      /** The circuits of all that fit are open: the first is tried again then, in ms since the epoch. Else Infinity. */
      readonly openUntil: number
    }
  | { readonly kind: 'none'; readonly why: 'operation' | 'tags' | 'context' | 'cost'; readonly error: ErrorDetail }

/** The deployments of a model that fit, by `order`, then as the strategy puts them, as one candidate for each class. */
export function shortlist(model: NamedModel, situation: Situation): Shortlist {
  const plan = model.plan[modeOf(situation.request.operation)]
  situation.recorder?.considered(model, situation)
  if (plan === undefined) return { kind: 'none', why: 'operation', error: unfitError(model) }
  const fitting = fittingDeployments(model.name, plan, situation)
  if (fitting.kind === 'none') return fitting

  const isWhole = fitting.deployments === plan.deployments
  const ready: Candidate[] = []
  const late: Candidate[] = []
  let openUntil = Number.POSITIVE_INFINITY
  let isOpen = true
  for (const level of plan.levels) {
    const members = isWhole ? level.members : level.members.filter((member) => fitting.deployments.includes(member))
    const callable = members.filter((member) => {
      const availability = availabilityOf(member, situation.live, situation.request.now)
      situation.recorder?.available(member, availability)
      if (availability.kind === 'open') openUntil = Math.min(openUntil, availability.probeAt)
      else isOpen = false
      return availability.kind === 'available'
    })
    const classes = isWhole && !model.plan.isWildcard ? level.classes : candidatesOf(model, level, members)
    if (classes.length === 1 && callable.length > 0) {
      for (const { candidate } of classes) ready.push(candidate)
      continue
    }
    const order = [
      ...new Set(orderMembers(situation.strategy, callable, strategyContext(situation, level)).map(classOf)),
    ]
    for (const name of order) {
      const candidate = classes.find((entry) => entry.class === name)?.candidate
      if (candidate !== undefined) ready.push(candidate)
    }
    for (const entry of classes) if (!order.includes(entry.class)) late.push(entry.candidate)
  }
  return { kind: 'candidates', ready, late, openUntil: isOpen ? openUntil : Number.POSITIVE_INFINITY }
}

/** What the strategy looks at, for this request. */
export function strategyContext(situation: Situation, group: Pick<Level, 'members'>): StrategyContext {
  const { request, live, prompt, routing, turn } = situation
  return {
    live,
    random: request.random,
    turn: () => turn(group.members[0]?.id ?? ''),
    cost: (deployment) => estimateCostNanoUsd(deployment, request.operation, request.body, prompt),
    hybridWeights: routing.hybridWeights,
  }
}

function candidatesOf(
  { name }: NamedModel,
  { classes, members: all }: Level,
  members: readonly Deployment[],
): readonly { readonly class: string; readonly candidate: Candidate }[] {
  // One class is the rule.
  const [only] = classes
  if (only !== undefined && classes.length === 1 && members.length === all.length) {
    return [{ class: only.class, candidate: { ...only.candidate, model: name } }]
  }
  return [...byClass(members)].map(([className, inClass]) => ({
    class: className,
    candidate: createCandidate(name, inClass, className),
  }))
}

function classOf(deployment: Deployment): string {
  return deployment.class
}
