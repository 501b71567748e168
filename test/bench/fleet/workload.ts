import type { Tier } from '@inferq/contracts'
import { createRandom } from '../measure/statistics.ts'
import { capacityOf, classOf, type Fleet, type FleetJob, workOf } from './fleet.ts'

/** What the jobs of a model class look like: means of lognormal lengths, whose logarithm spreads by `sigma`. */
export interface JobShape {
  readonly promptTokens: number
  readonly answerTokens: number
  readonly sigma: number
}

export interface Workload {
  readonly fleet: Fleet
  readonly shapes: Readonly<Record<string, JobShape>>
  /** The tenant of rank n sends 1 ÷ n of what the first one sends; every third sends in bursts. */
  readonly tenants: number
  /** Work that comes, as a share of what the fleet can do with full batches and no swaps. */
  readonly load: number
  /** About so many; the time follows from it. */
  readonly jobs: number
  readonly seed: number
}

const tierShares: readonly (readonly [Tier, number])[] = [
  ['priority', 0.1],
  ['default', 0.6],
  ['flex', 0.3],
]
/** Bursts: a quarter of the time, four times as much. */
const burst = { onSeconds: 20, offSeconds: 60 }

/** Poisson arrivals of every tenant in every class, in the order of time. The same seed gives the same trace. */
export function generateTrace(workload: Workload): FleetJob[] {
  const { fleet, tenants, load, seed } = workload
  const random = createRandom(seed)
  const perSecond = new Map(fleet.pools.flatMap((pool) => pool.classes).map((name) => [name, 0]))
  for (const { gpus, classes } of fleet.pools) {
    for (const name of classes) {
      const modelClass = classOf(fleet, name)
      const share =
        (load * gpus * capacityOf(modelClass)) / classes.length / workOf(shapeOf(workload, name), modelClass)
      perSecond.set(name, (perSecond.get(name) ?? 0) + share)
    }
  }
  const seconds = workload.jobs / [...perSecond.values()].reduce((sum, rate) => sum + rate, 0)
  const zipf = Array.from({ length: tenants }, (_, rank) => 1 / (rank + 1))
  const whole = zipf.reduce((sum, share) => sum + share, 0)
  const jobs: FleetJob[] = []
  for (const [name, rate] of perSecond) {
    const shape = shapeOf(workload, name)
    for (const [rank, share] of zipf.entries()) {
      const times = arrivals((rate * share) / whole, seconds, rank % 3 === 2, random)
      const tenant = { tenant: `tenant-${rank + 1}`, weight: weightOf(rank) }
      for (const at of times)
        jobs.push({ at, ...tenant, tier: drawTier(random), modelClass: name, ...lengths(shape, random) })
    }
  }
  return jobs.sort((a, b) => a.at - b.at)
}

/** A number of an exponential distribution. */
export function exponential(mean: number, random: () => number): number {
  return -mean * Math.log(1 - random())
}

/** Most have 1; of every ten one has 4 and one has 2. */
function weightOf(rank: number): number {
  return ({ 3: 4, 7: 2 } as Readonly<Record<number, number>>)[rank % 10] ?? 1
}

function shapeOf({ shapes }: Workload, name: string): JobShape {
  const shape = shapes[name]
  if (shape === undefined) throw new Error(`nobody knows what jobs of "${name}" look like`)
  return shape
}

/** Times of Poisson arrivals until the end, all the time or in bursts of the same mean. */
export function arrivals(rate: number, seconds: number, isBursty: boolean, random: () => number): number[] {
  const times: number[] = []
  if (!isBursty) {
    for (let at = exponential(1 / rate, random); at < seconds; at += exponential(1 / rate, random)) times.push(at)
    return times
  }
  const burstRate = (rate * (burst.onSeconds + burst.offSeconds)) / burst.onSeconds
  const cycle = burst.onSeconds + burst.offSeconds
  // It begins anywhere in the cycle.
  let begin = -random() * cycle
  while (begin < seconds) {
    const end = begin + exponential(burst.onSeconds, random)
    for (let at = begin + exponential(1 / burstRate, random); at < end; at += exponential(1 / burstRate, random)) {
      if (at >= 0 && at < seconds) times.push(at)
    }
    begin = end + exponential(burst.offSeconds, random)
  }
  return times
}

function drawTier(random: () => number): Tier {
  let left = random()
  for (const [tier, share] of tierShares) {
    left -= share
    if (left < 0) return tier
  }
  return 'default'
}

export function lengths({ promptTokens, answerTokens, sigma }: JobShape, random: () => number) {
  return { promptTokens: length(promptTokens, sigma, random), answerTokens: length(answerTokens, sigma, random) }
}

/** Of a lognormal distribution (its normal one by Box and Muller), at least 1. */
function length(mean: number, sigma: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.max(1, Math.round(mean * Math.exp(sigma * normal - sigma ** 2 / 2)))
}
