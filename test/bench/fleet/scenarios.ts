import { createRandom } from '../measure/statistics.ts'
import { jainIndex } from './figures.ts'
import { capacityOf, type Fleet, type FleetJob, type ModelClass, workOf } from './fleet.ts'
import type { Policy } from './policies.ts'
import { simulate } from './simulate.ts'
import { arrivals, type JobShape, lengths } from './workload.ts'

const chat: ModelClass = {
  ...{ name: 'chat-8b', tokensPerSecond: 90, slots: 32, batchSlowdown: 0.03 },
  ...{ promptShare: 0.02, loadSeconds: 20 },
}
const large: ModelClass = {
  ...chat,
  name: 'chat-70b',
  tokensPerSecond: 35,
  slots: 24,
  batchSlowdown: 0.04,
  loadSeconds: 60,
}
/** Four models that share their GPUs, as on Ollama. */
const rare: readonly ModelClass[] = ['coder', 'vision', 'law', 'translate'].map((name) => {
  return { ...chat, name, tokensPerSecond: 60, slots: 8, batchSlowdown: 0.06, loadSeconds: 8 }
})

/** Assumed, not measured: two models with GPUs of their own (half of all, and three in ten), and four on the rest. */
export function usualFleet(gpus: number): Fleet {
  const ofLarge = Math.floor(gpus * 0.3)
  const ofRare = Math.floor(gpus * 0.2)
  const pools = [
    { gpus: gpus - ofLarge - ofRare, classes: [chat.name] },
    { gpus: ofLarge, classes: [large.name] },
    { gpus: ofRare, classes: rare.map(({ name }) => name) },
  ]
  return { classes: [chat, large, ...rare], pools: pools.filter((pool) => pool.gpus > 0) }
}

const usualShape: JobShape = { promptTokens: 800, answerTokens: 250, sigma: 1 }

export const usualShapes: Readonly<Record<string, JobShape>> = {
  [chat.name]: usualShape,
  [large.name]: { ...usualShape, promptTokens: 1_500, answerTokens: 350 },
  ...Object.fromEntries(rare.map(({ name }) => [name, usualShape])),
}

/** Waits of one tenant's only job behind another's thousand, in service times of a job on a full GPU. */
export interface OneAgainstMany {
  readonly gpus: number
  readonly slots: number
  readonly waits: readonly number[]
}

const many = 1_000
const tokens = 300
const repeats = 100

/**
 * A tenant sends 1,000 equal jobs at once, and another one a single job at any time while these are worked off: 100 times,
 * each by itself. `slots` on each GPU.
 */
export function oneAgainstMany(policy: Policy, gpus: number, slots: number, seed: number): OneAgainstMany {
  const modelClass = { ...chat, slots, promptShare: 0 }
  const fleet: Fleet = { classes: [modelClass], pools: [{ gpus, classes: [modelClass.name] }] }
  const full = modelClass.tokensPerSecond / (1 + modelClass.batchSlowdown * (slots - 1))
  const serviceSeconds = tokens / full
  // While there are others waiting; at the end of them it is easy.
  const lasts = serviceSeconds * Math.max(0.5, (0.8 * many) / (gpus * slots) - 1)
  const random = createRandom(seed)
  const job = {
    weight: 1,
    tier: 'default',
    modelClass: modelClass.name,
    promptTokens: 0,
    answerTokens: tokens,
  } as const
  const waits = Array.from({ length: repeats }, () => {
    const jobs: FleetJob[] = Array.from({ length: many }, () => ({ ...job, at: 0, tenant: 'many' }))
    const at = random() * lasts
    jobs.push({ ...job, at, tenant: 'one' })
    return ((simulate(fleet, jobs, policy).startedAt[many] ?? Number.NaN) - at) / serviceSeconds
  })
  return { gpus, slots, waits }
}

/** What tenants got that all asked for more than their share. */
export interface SharesOut {
  /** Jain's index of their tokens ÷ weight. */
  readonly jain: number
  /** How far the tenant that is farthest from it is off its share, as a share of that. */
  readonly worst: number
}

export interface Asking {
  readonly weight: number
  /** What it asks for, as a multiple of its share. */
  readonly demand: number
}

/** Twelve tenants of the same weight, of whom every other one asks for ten times as much. */
export const tenToOne: readonly Asking[] = Array.from({ length: 12 }, (_, n) => ({
  weight: 1,
  demand: n % 2 ? 15 : 1.5,
}))
/** Twelve tenants of weights 1, 2 and 4, who ask for the same. */
export const oneTwoFour: readonly Asking[] = Array.from({ length: 12 }, (_, n) => {
  const weight = 2 ** (n % 3)
  return { weight, demand: 6 / weight }
})

const countedFrom = 60
const countedTo = 360

/** Six minutes on ten GPUs of one model, all tenants in tier `default`; the first minute is not counted. */
export function sharesOut(policy: Policy, tenants: readonly Asking[], seed: number): SharesOut {
  const random = createRandom(seed)
  const fleet: Fleet = { classes: [chat], pools: [{ gpus: 10, classes: [chat.name] }] }
  const perSecond = (10 * capacityOf(chat)) / workOf(usualShape, chat)
  const weights = tenants.reduce((sum, { weight }) => sum + weight, 0)
  const jobs = tenants.flatMap(({ weight, demand }, number): FleetJob[] => {
    const of = { tenant: `tenant-${number}`, weight, tier: 'default', modelClass: chat.name } as const
    const times = arrivals((perSecond * demand * weight) / weights, countedTo, false, random)
    return times.map((at) => ({ at, ...of, ...lengths(usualShape, random) }))
  })
  jobs.sort((a, b) => a.at - b.at)
  const { startedAt } = simulate(fleet, jobs, policy)
  const served = new Map(tenants.map((_, number) => [`tenant-${number}`, 0]))
  for (const [index, { tenant, weight, promptTokens, answerTokens }] of jobs.entries()) {
    const at = startedAt[index] ?? 0
    if (at < countedFrom || at >= countedTo) continue
    served.set(tenant, (served.get(tenant) ?? 0) + (promptTokens + answerTokens) / weight)
  }
  const values = [...served.values()]
  // The share of a weight of 1, by weight: what there was, divided among all weights.
  const fair = values.reduce((sum, value, number) => sum + value * (tenants[number]?.weight ?? 1), 0) / weights
  return { jain: jainIndex(values), worst: Math.max(...values.map((value) => Math.abs(value / fair - 1))) }
}
