import { type Condition, type InferqConfig, parseCondition, type RoutingRule } from '@inferq/config'
import type { CascadeCheck } from '@inferq/contracts'
import type { RouteFacts } from './facts.ts'
import { classifyRequest } from './heuristic.ts'
import { modeOf } from './model-plan.ts'
import type { NamedModel, Names } from './names.ts'
import type { Recorder } from './recorder.ts'
import type { RouteRequest } from './router.ts'
import { chooseShare, drawShare } from './split.ts'

/** What a rule has made of a request. */
export interface RuleChoice {
  readonly rule: RoutingRule
  /** At least one; several of a cascade, cheapest first. */
  readonly models: readonly NamedModel[]
  readonly cascade?: CascadeCheck
  /** What a split chose. */
  readonly variant?: string
  /** In words. */
  readonly reason: string
}

/** `asked`: the model the client named, if it exists. Undefined: no rule has a say. */
export type Rules = (
  request: RouteRequest,
  facts: RouteFacts,
  asked: NamedModel | undefined,
  recorder: Recorder | undefined,
) => RuleChoice | undefined

/** Compiles all conditions. Throws for one that does not parse: the configuration has been checked before. */
export function createRules(config: InferqConfig, names: Names): Rules {
  const compiled = config.routing.rules.map((rule) => {
    const targets = targetsOf(rule, names)
    return { rule, matches: compileWhen(rule), resolve: (name: string) => targets.get(name) }
  })
  return (request, facts, asked, recorder) => {
    let found: RuleChoice | undefined
    for (const { rule, matches, resolve } of compiled) {
      if (found !== undefined) {
        recorder?.rule(rule, 'not_reached', 'a rule before it decided')
        continue
      }
      const mismatch = matches(facts)
      if (mismatch !== null) {
        recorder?.rule(rule, 'skipped', mismatch)
        continue
      }
      const choice = choose(rule, { request, facts, asked, resolve })
      if (typeof choice === 'string') recorder?.rule(rule, 'skipped', choice)
      else {
        recorder?.rule(rule, 'matched', choice.reason)
        found = { rule, ...choice }
        if (recorder === undefined) return found
      }
    }
    return found
  }
}

/** Gives null when all parts hold, otherwise which does not. */
function compileWhen({ id, when }: RoutingRule): (facts: RouteFacts) => string | null {
  const { task, feature, tags } = when
  const condition = when.condition === undefined ? undefined : compileCondition(id, when.condition)
  return (facts) => {
    if (task !== undefined && facts.task_type !== task) return `task_type is not '${task}'`
    if (feature !== undefined && facts.feature !== feature) return `feature is not '${feature}'`
    if (tags !== undefined && !tags.some((tag) => facts.tags.includes(tag)))
      return `none of the tags ${tags.join(', ')}`
    if (condition !== undefined && !condition.evaluate(asRecord(facts))) return `${when.condition} does not hold`
    return null
  }
}

function compileCondition(id: string, text: string): Extract<Condition, { kind: 'condition' }> {
  const condition = parseCondition(text, 'request')
  if (condition.kind === 'condition') return condition
  throw new Error(`The condition of ${id} does not parse: ${condition.message}`)
}

/** The same object: its getters are only called for what a condition reads. */
function asRecord(facts: RouteFacts): Readonly<Record<string, unknown>> {
  return facts as unknown as Readonly<Record<string, unknown>>
}

interface Choosing {
  readonly request: RouteRequest
  readonly facts: RouteFacts
  readonly asked: NamedModel | undefined
  readonly resolve: (name: string) => NamedModel | undefined
}

/** What the rule leads to, or why it leads nowhere: then the next rule is asked. */
function choose(rule: RoutingRule, choosing: Choosing): Omit<RuleChoice, 'rule'> | string {
  const { to } = rule
  const { request, facts, asked, resolve } = choosing
  const fit = (name: string): NamedModel | undefined => {
    const model = resolve(name)
    return model !== undefined && model.plan[modeOf(request.operation)] !== undefined ? model : undefined
  }
  switch (to.kind) {
    case 'asked':
      if (asked === undefined) return `no model is named '${facts.model}', and the rule names none`
      return { models: [asked], reason: 'the model that was asked for' }
    case 'model': {
      const model = fit(to.model)
      return model === undefined ? unfit(to.model, request) : { models: [model], reason: `it names ${to.model}` }
    }
    case 'split': {
      const shares = to.shares.filter(({ model }) => fit(model) !== undefined)
      const subject = to.stickyBy === 'none' ? '' : facts[to.stickyBy]
      const share = subject === '' ? drawShare(shares, request.random) : chooseShare(shares, rule.id, subject)
      const model = share && fit(share.model)
      if (share === undefined || model === undefined)
        return unfit(to.shares.map((one) => one.model).join(', '), request)
      const how = subject === '' ? 'drawn by weight' : `the same for this ${to.stickyBy} every time`
      return { models: [model], variant: share.model, reason: `its split gives ${share.model}, ${how}` }
    }
    case 'heuristic': {
      const look = classifyRequest(request.body, () => facts.tokens)
      const model = fit(to.models[look.kind] ?? to.models.simple) ?? fit(to.models.simple)
      if (model === undefined) return unfit(to.models[look.kind] ?? to.models.simple, request)
      return { models: [model], reason: `it looks ${look.kind} (${look.reason}): ${model.name}` }
    }
    case 'cascade': {
      const models = to.models.flatMap((name) => fit(name) ?? [])
      const [first] = models
      if (first === undefined) return unfit(to.models.join(', '), request)
      const cascade: CascadeCheck = {
        escalateOn: to.escalateOn,
        ...(to.minLogprob === undefined ? {} : { minLogprob: to.minLogprob }),
        ...(to.check === undefined ? {} : { check: to.check }),
      }
      const reason = `its cascade begins with ${first.name}`
      return models.length > 1 && request.operation !== 'embeddings' ? { models, cascade, reason } : { models, reason }
    }
    default:
      return to satisfies never
  }
}

function unfit(names: string, { operation }: RouteRequest): string {
  return `${names} cannot serve ${operation === 'embeddings' ? 'embeddings' : 'completions'}`
}

/** Looked up once: a name a wildcard matches is not searched for again with every request. */
function targetsOf({ to }: RoutingRule, names: Names): ReadonlyMap<string, NamedModel> {
  const targets = new Map<string, NamedModel>()
  for (const name of namesIn(to)) {
    const model = names.resolve(name)
    if (model !== undefined) targets.set(name, model)
  }
  return targets
}

function namesIn(to: RoutingRule['to']): readonly string[] {
  switch (to.kind) {
    case 'asked':
      return []
    case 'model':
      return [to.model]
    case 'split':
      return to.shares.map(({ model }) => model)
    case 'heuristic':
      return Object.values(to.models).filter((name) => name !== undefined)
    case 'cascade':
      return to.models
    default:
      return to satisfies never
  }
}
