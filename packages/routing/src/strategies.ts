import type { Deployment, RoutingConfig, Strategy } from '@inferq/config'
import type { LiveDeployments } from './live-deployments.ts'
import { byScore, shuffledByWeight } from './weighted-order.ts'

/** What a strategy may look at. */
export interface StrategyContext {
  readonly live: LiveDeployments
  /** In [0, 1). */
  readonly random: () => number
  /** 0, 1, 2 … : how often this group has been asked for before. */
  readonly turn: () => number
  /** In any unit; null when the price is not known. */
  readonly cost: (deployment: Deployment) => number | null
  readonly hybridWeights: RoutingConfig['hybridWeights']
}

/** Gives all of `members`, at least two, in the order they are to be tried. Those of weight 0 are put last by the caller. */
type OrderBy = (members: readonly Deployment[], context: StrategyContext) => readonly Deployment[]

/** Latencies within this share of the lowest count as equal. */
const latencySlack = 0.1
/** How often one of which nothing is known is tried first although others are known: it would never be known otherwise. */
const explorationShare = 0.1
/** How often a slower one is tried first: that it has become faster would never be seen otherwise. */
const secondLookShare = 0.05

const strategyTable: Readonly<Record<Strategy, OrderBy>> = {
  'simple-shuffle': (members, { random }) => shuffledByWeight(members, random),
  'round-robin': (members, { turn }) => {
    const start = turn() % members.length
    return [...members.slice(start), ...members.slice(0, start)]
  },
  'least-busy': (members, { live, random }) =>
    byScore(members, ({ id, weight }) => live.stats(id).inFlight / weight, random),
  'latency-based': byLatency,
  'usage-based': (members, { live, random }) => {
    const usedShare = ({ id, limits }: Deployment): number => {
      const { requests, tokens } = live.stats(id)
      return Math.max(share(requests, limits.rpm), share(tokens, limits.tpm))
    }
    const tokensByWeight = ({ id, weight }: Deployment): number => live.stats(id).tokens / weight
    // Without limits, or with none of them touched, the one with the fewest tokens for its weight.
    return byScore(byScore(members, tokensByWeight, random), usedShare)
  },
  'cost-optimized': (members, { cost, random }) =>
    byScore(members, (deployment) => cost(deployment) ?? Number.POSITIVE_INFINITY, random),
  hybrid: byEverything,
}

/** All of `members` in the order they are to be tried. Those of weight 0 serve only when nothing else is left. */
export function orderMembers(
  strategy: Strategy,
  members: readonly Deployment[],
  context: StrategyContext,
): readonly Deployment[] {
  if (members.length < 2) return members
  const orderBy = strategyTable[strategy]
  if (members.every(({ weight }) => weight > 0)) return orderBy(members, context)
  const main = members.filter(({ weight }) => weight > 0)
  const last = members.filter(({ weight }) => !(weight > 0))
  return [...(main.length < 2 ? main : orderBy(main, context)), ...shuffledByWeight(last, context.random)]
}

export function isStrategy(name: string): name is Strategy {
  return Object.hasOwn(strategyTable, name)
}

function byLatency(members: readonly Deployment[], { live, random }: StrategyContext): readonly Deployment[] {
  const latency = ({ id }: Deployment): number => live.stats(id).latencyMs ?? Number.POSITIVE_INFINITY
  const order = byScore(members, latency, random)
  const lowest = order[0] === undefined ? Number.POSITIVE_INFINITY : latency(order[0])
  if (lowest === Number.POSITIVE_INFINITY) return order
  const fast = order.filter((deployment) => latency(deployment) <= lowest * (1 + latencySlack))
  const unknown = order.filter((deployment) => latency(deployment) === Number.POSITIVE_INFINITY)
  const slow = order.filter((deployment) => !fast.includes(deployment) && !unknown.includes(deployment))
  const known = [...shuffledByWeight(fast, random), ...slow]
  const draw = random()
  if (unknown.length > 0 && draw < explorationShare) return [...unknown, ...known]
  if (slow.length === 0 || draw < 1 - secondLookShare) return [...known, ...unknown]
  const [again, ...rest] = shuffledByWeight(slow, random)
  return again === undefined ? known : [again, ...shuffledByWeight(fast, random), ...rest, ...unknown]
}

/** Each measure as a share of the group's highest, so that milliseconds and dollars can be added up. */
function byEverything(members: readonly Deployment[], context: StrategyContext): readonly Deployment[] {
  const { live, random, cost, hybridWeights } = context
  const costs = shares(members.map((deployment) => cost(deployment)))
  const latencies = shares(members.map(({ id }) => live.stats(id).latencyMs ?? null))
  const loads = shares(members.map(({ id, weight }) => live.stats(id).inFlight / weight))
  const sum = hybridWeights.cost + hybridWeights.latency + hybridWeights.load
  const scores = new Map(
    members.map((deployment, index) => {
      // An unknown price counts as the highest; an unknown latency as middling, so that it becomes known.
      const score =
        hybridWeights.cost * (costs[index] ?? 1) +
        hybridWeights.latency * (latencies[index] ?? 0.5) +
        hybridWeights.load * (loads[index] ?? 0)
      return [deployment, sum > 0 ? score / sum : 0]
    }),
  )
  return byScore(members, (deployment) => scores.get(deployment) ?? 0, random)
}

function shares(values: readonly (number | null)[]): readonly (number | null)[] {
  const highest = Math.max(...values.map((value) => value ?? 0))
  return values.map((value) => (value === null ? null : highest > 0 ? value / highest : 0))
}

function share(used: number, limit: number | undefined): number {
  return limit === undefined || limit <= 0 ? 0 : used / limit
}
