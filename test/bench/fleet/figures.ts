import type { Tier } from '@inferq/contracts'
import { percentile } from '../measure/statistics.ts'
import type { FleetJob } from './fleet.ts'
import type { FleetRun } from './simulate.ts'

/** A job is in time when it starts within so many seconds. */
export const targetSeconds: Readonly<Record<Tier, number>> = { priority: 2, default: 10, flex: 120 }

export interface Figures {
  /** Share of the jobs that started in time, and how many of them a second. */
  readonly inTime: number
  readonly inTimePerSecond: number
  /** Tenants of whose jobs at least 95 % started in time. */
  readonly wellServed: number
  /** Tokens of the jobs that were started before the last arrival, a second. */
  readonly tokensPerSecond: number
  readonly waits: Readonly<Record<Tier, { readonly p50: number; readonly p99: number }>>
  /** See `fairness`. */
  readonly jain: number
}

export function figuresOf(jobs: readonly FleetJob[], run: FleetRun): Figures {
  const seconds = jobs.at(-1)?.at ?? 0
  const waits: Record<Tier, number[]> = { priority: [], default: [], flex: [] }
  const tenants = new Map<string, { readonly jobs: number; readonly inTime: number }>()
  let inTime = 0
  let tokens = 0
  for (const [index, job] of jobs.entries()) {
    const startedAt = run.startedAt[index] ?? Number.NaN
    waits[job.tier].push(startedAt - job.at)
    const isInTime = startedAt - job.at <= targetSeconds[job.tier]
    if (isInTime) inTime += 1
    const tenant = tenants.get(job.tenant) ?? { jobs: 0, inTime: 0 }
    tenants.set(job.tenant, { jobs: tenant.jobs + 1, inTime: tenant.inTime + (isInTime ? 1 : 0) })
    if (startedAt <= seconds) tokens += tokensOf(job)
  }
  const spread = (tier: Tier) => ({ p50: percentile(waits[tier], 0.5), p99: percentile(waits[tier], 0.99) })
  return {
    inTime: inTime / jobs.length,
    inTimePerSecond: inTime / seconds,
    wellServed: [...tenants.values()].filter((tenant) => tenant.inTime >= 0.95 * tenant.jobs).length,
    tokensPerSecond: tokens / seconds,
    waits: { priority: spread('priority'), default: spread('default'), flex: spread('flex') },
    jain: fairness(jobs, run.startedAt),
  }
}

/** Jain's index (Jain, Chiu, Hawe, 1984): 1 when all are equal, 1 ÷ n when one of n has everything. NaN of nothing. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return squares === 0 ? Number.NaN : (sum * sum) / (values.length * squares)
}

const windowSeconds = 60
/** Who waits longer than this has more to do than its share. */
const behindSeconds = 30

/**
 * Jain's index over what tenants of a class were served in tokens ÷ weight in tier `default`, of those who were behind all
 * through a window of a minute: it is not about who asks for less than its share. The mean of all windows, by the number of
 * tenants in them. NaN when no two were behind at the same time. Not about the other tiers: few are ever behind in
 * `priority`, and all of them, whatever their share, in `flex`.
 */
export function fairness(jobs: readonly FleetJob[], startedAt: Float64Array, window = windowSeconds): number {
  const usual = [...jobs.keys()].filter((index) => jobs[index]?.tier === 'default')
  const flows = Map.groupBy(usual, (index) => `${jobs[index]?.modelClass}\n${jobs[index]?.tenant}`)
  const windows = Math.floor((jobs.at(-1)?.at ?? 0) / window)
  const groups = new Map<string, number[]>()
  for (const [name, indexes] of flows) {
    const served = servedByWindow(jobs, startedAt, indexes, window)
    const backlogged = backloggedWindows(jobs, startedAt, indexes, window)
    const group = name.slice(0, name.lastIndexOf('\n'))
    for (const place of backlogged) {
      if (place >= windows) continue
      const key = `${group}\n${place}`
      const values = groups.get(key) ?? []
      groups.set(key, values)
      values.push(served.get(place) ?? 0)
    }
  }
  let sum = 0
  let tenants = 0
  for (const values of groups.values()) {
    const index = jainIndex(values)
    if (values.length < 2 || Number.isNaN(index)) continue
    sum += index * values.length
    tenants += values.length
  }
  return sum / tenants
}

function servedByWindow(
  jobs: readonly FleetJob[],
  startedAt: Float64Array,
  indexes: readonly number[],
  window: number,
): ReadonlyMap<number, number> {
  const served = new Map<number, number>()
  for (const index of indexes) {
    const job = jobs[index] as FleetJob
    const place = Math.floor((startedAt[index] ?? 0) / window)
    served.set(place, (served.get(place) ?? 0) + tokensOf(job) / job.weight)
  }
  return served
}

/** Windows that lie whole within a time in which there was always a job behind. The jobs are in order of arrival. */
function backloggedWindows(
  jobs: readonly FleetJob[],
  startedAt: Float64Array,
  indexes: readonly number[],
  window: number,
): number[] {
  const found: number[] = []
  let from = Number.NaN
  let to = Number.NEGATIVE_INFINITY
  const close = () => {
    for (let place = Math.ceil(from / window); (place + 1) * window <= to; place++) found.push(place)
  }
  for (const index of indexes) {
    const behindFrom = (jobs[index]?.at ?? 0) + behindSeconds
    const behindTo = startedAt[index] ?? 0
    if (behindTo <= behindFrom) continue
    if (behindFrom > to) {
      close()
      from = behindFrom
    }
    to = Math.max(to, behindTo)
  }
  close()
  return found
}

function tokensOf({ promptTokens, answerTokens }: FleetJob): number {
  return promptTokens + answerTokens
}
