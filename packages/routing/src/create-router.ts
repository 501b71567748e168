import type { Deployment, Strategy } from '@inferq/config'
import type { Candidate, ErrorDetail, RouteNote } from '@inferq/contracts'
import { interactivePatienceMs } from './after-failure.ts'
import { assemble } from './assemble.ts'
import { availabilityOf } from './availability.ts'
import { expectedTokens, nominalCostNanoUsd } from './estimate-cost.ts'
import { createFacts, type RouteFacts, readMaxCost } from './facts.ts'
import { type ChainLink, createFallbackChains, type FallbackChains } from './fallback-chain.ts'
import type { LiveDeployments } from './live-deployments.ts'
import { modeOf } from './model-plan.ts'
import { createNames, type NamedModel, upstreamModel } from './names.ts'
import { createPromptSize, type PromptSize } from './prompt-size.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { maxCostError, openError, refused, unfitError, unknownError } from './refusals.ts'
import type { CreateRouter, RouteDecision, RouteRequest, Router } from './router.ts'
import { createRules, type RuleChoice } from './rules.ts'
import { strategyContext } from './shortlist.ts'
import type { Situation } from './situation.ts'
import { isStrategy, orderMembers } from './strategies.ts'

type RouteOptions = NonNullable<Parameters<Router['route']>[2]>

/** Compiles a configuration's rules, names and chains once. Holds nothing that changes but round-robin's turns. */
export const createRouter: CreateRouter = (config) => {
  const { routing } = config
  const names = createNames(config)
  const chains = createFallbackChains(config, names)
  const rules = createRules(config, names)
  const byId = new Map(config.deployments.map((deployment) => [deployment.id, deployment]))
  const turns = createTurns()
  const needsFacts = routing.rules.length > 0

  const decide = (
    request: RouteRequest,
    live: LiveDeployments,
    options: RouteOptions,
    prompt: PromptSize,
    recorder: Recorder | undefined,
  ): RouteDecision => {
    const maxCost = readMaxCost(request.headers)
    if (maxCost.kind === 'invalid') return refused(maxCostError)
    let facts: RouteFacts | undefined
    const factsOnce = (): RouteFacts => {
      facts ??= createFacts(request, prompt)
      return facts
    }
    const asked = names.resolve(request.model)
    const choice = needsFacts ? rules(request, factsOnce(), asked, recorder) : undefined
    recorder?.facts(factsOnce())
    const models = choice?.models ?? (asked === undefined ? [] : [asked])
    const [first] = models
    if (first === undefined) return refused(unknownError(request.model, needsFacts))
    if (first.plan[modeOf(request.operation)] === undefined) return refused(unfitError(first))

    const strategy = choice?.rule.strategy ?? routing.strategy
    const limits = [choice?.rule.maxCostUsd, maxCost.kind === 'limit' ? maxCost.usd : undefined]
    const situation: Situation = {
      request,
      prompt,
      tags: () => factsOnce().tags,
      live,
      routing,
      strategy,
      maxCostUsd: lowest(limits),
      turn: recorder === undefined ? turns.take : turns.peek,
      recorder,
    }
    const last = models.at(-1)
    const isVerified = (model: NamedModel): boolean =>
      choice?.cascade !== undefined && model !== last && models.includes(model)
    const { candidates, firstLeftOut, openUntil } = assemble(linksOf(models, chains), situation, isVerified)
    if (candidates.length === 0) return refused(firstLeftOut ?? unknownError(request.model, needsFacts))
    // It waits in the queue for a probe that is near.
    const isNear = openUntil === Number.POSITIVE_INFINITY || openUntil - request.now <= interactivePatienceMs
    if (options.refuseOpen === true && !isNear) {
      return refused(openError(first.name, openUntil, request.now))
    }
    if (recorder !== undefined) recordChosen(candidates[0], situation, recorder)
    const isCascade = choice?.cascade !== undefined && candidates.some(({ verify }) => verify)
    return {
      kind: 'candidates',
      candidates,
      note: noteOf(request.model, strategy, first, choice, firstLeftOut),
      expectedTokens: expectedTokens(request.operation, request.body, prompt, firstDeploymentOf(candidates, byId)),
      ...(isCascade ? { cascade: choice.cascade } : {}),
    }
  }

  /** Which of the first candidate's deployments a worker would call now, as far as can be told beforehand. */
  const recordChosen = (candidate: Candidate | undefined, situation: Situation, recorder: Recorder): void => {
    const members = candidate === undefined ? [] : deploymentsOf(candidate, byId)
    const { live, request, strategy } = situation
    const callable = members.filter((member) => availabilityOf(member, live, request.now).kind === 'available')
    const [next] = orderMembers(strategy, callable, strategyContext(situation, { members }))
    if (next !== undefined) recorder.chosen(next, `${strategy} puts it first`)
  }

  const order: Router['order'] = (candidate, strategy, live, { random, now }, avoid = []) => {
    const members = deploymentsOf(candidate, byId).filter(
      (deployment) => availabilityOf(deployment, live, now).kind === 'available',
    )
    const ordered = orderMembers(strategyOf(strategy, routing.strategy), members, {
      live,
      random,
      turn: () => turns.take(`order ${candidate.deployments[0]}`),
      cost: nominalCostNanoUsd,
      hybridWeights: routing.hybridWeights,
    })
    if (avoid.length === 0) return ordered
    return [...ordered.filter(({ id }) => !avoid.includes(id)), ...ordered.filter(({ id }) => avoid.includes(id))]
  }

  return {
    route: (request, live, options = {}) =>
      decide(request, live, options, createPromptSize(request.operation, request.body), undefined),
    explain(request, live, options = {}) {
      const recorder = createRecorder()
      const prompt = createPromptSize(request.operation, request.body)
      const decision = decide(request, live, options, prompt, recorder)
      return { decision, trace: recorder.trace(request, prompt, decision) }
    },
    order,
    deploymentsOf: (candidate) => deploymentsOf(candidate, byId),
    deployment: (id) => byId.get(id),
    upstreamModel,
    knows: (model) => names.resolve(model) !== undefined,
  }
}

/** A cascade's models in turn, then the last one's fallbacks; otherwise the model and its fallbacks. */
function linksOf(models: readonly NamedModel[], chains: FallbackChains): readonly ChainLink[] {
  const last = models.at(-1)
  if (last === undefined) return []
  const before = models.slice(0, -1)
  if (before.length === 0) return chains(last)
  const links = before.map((model) => ({ model, afterContextWindow: [], afterContentPolicy: [] }))
  return [...links, ...chains(last, before)]
}

/** How often each group has been asked for. There are no more groups than a configuration has deployments. */
function createTurns() {
  const turns = new Map<string, number>()
  const peek = (group: string): number => turns.get(group) ?? 0
  return {
    peek,
    take(group: string): number {
      const turn = peek(group)
      turns.set(group, (turn + 1) % Number.MAX_SAFE_INTEGER)
      return turn
    },
  }
}

function deploymentsOf(
  candidate: Parameters<Router['deploymentsOf']>[0],
  byId: ReadonlyMap<string, Deployment>,
): readonly Deployment[] {
  return candidate.deployments.flatMap((id) => byId.get(id) ?? [])
}

function firstDeploymentOf(
  [candidate]: readonly Candidate[],
  byId: ReadonlyMap<string, Deployment>,
): Deployment | undefined {
  return byId.get(candidate?.deployments[0] ?? '')
}

/** Holds nothing of the request's content. */
function noteOf(
  asked: string,
  strategy: Strategy,
  first: NamedModel,
  choice: RuleChoice | undefined,
  firstLeftOut: ErrorDetail | undefined,
): RouteNote {
  const named = asked === first.name ? 'the model that was asked for' : `'${asked}' is another name of ${first.name}`
  const reason = choice === undefined ? named : `rule ${choice.rule.id}: ${choice.reason}`
  return {
    strategy,
    ...(choice === undefined ? {} : { rule: choice.rule.id }),
    ...(choice?.variant === undefined ? {} : { variant: choice.variant }),
    reason: firstLeftOut === undefined ? reason : `${reason}; left out: ${firstLeftOut.message}`,
  }
}

function strategyOf(name: string | undefined, otherwise: Strategy): Strategy {
  return name !== undefined && isStrategy(name) ? name : otherwise
}

function lowest(limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter((limit) => limit !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
