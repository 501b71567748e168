import type { Tier } from '@inferq/contracts'
import { type ClassClock, createClassClock, type Demand } from '@inferq/shares'
import type { FleetJob } from './fleet.ts'

/** In what order the jobs of a class go, and which class a GPU serves that could serve several. */
export interface Policy {
  readonly name: string
  /** `true`: a GPU keeps its model as `secondsUntilSwap` says. Otherwise it takes the first of all lines, whatever its model. */
  readonly isSticky: boolean
  createOrder(jobs: readonly FleetJob[]): Order
}

/** One run's order. Jobs are known by their number in the trace. */
export interface Order {
  /** A job has come: its place in its class's line, smaller goes first. */
  place(job: number): number
  /** Which of the first ones of several lines goes first: the smallest. */
  acrossLines(job: number): number
  started?(job: number): void
  ended?(job: number): void
  /** Time has passed: called every `tickSeconds`. */
  tick?(now: number): void
}

export const tickSeconds = 0.1

const rankOf: Readonly<Record<Tier, number>> = { priority: 0, default: 1, flex: 2 }
/** More jobs than any trace has. */
const jobsInTier = 1e9

const fifo: Policy = {
  name: 'FIFO',
  isSticky: false,
  createOrder: () => ({ place: (job) => job, acrossLines: (job) => job }),
}

const strictPriority: Policy = {
  name: 'strict priority',
  isSticky: false,
  createOrder: (jobs) => {
    const placeOf = (job: number): number => rankOf[jobs[job]?.tier ?? 'default'] * jobsInTier + job
    return { place: placeOf, acrossLines: placeOf }
  },
}

const fairShares: Policy = { name: 'inferq', isSticky: false, createOrder: createFairOrder }

const fairAndSticky: Policy = { name: 'inferq, sticky models', isSticky: true, createOrder: createFairOrder }

export const policies: readonly Policy[] = [fifo, strictPriority, fairShares, fairAndSticky]

const forgetEverySeconds = 10

/** The product's own class clocks, told of themselves ten times a second as Redis would tell them. */
function createFairOrder(jobs: readonly FleetJob[]): Order {
  const clocks = new Map<string, { clock: ClassClock; value: number }>()
  const stoodAt = new Float64Array(jobs.length)
  const estimates = meanAnswers(jobs)
  let forgotAt = 0

  const stateOf = (modelClass: string) => {
    let state = clocks.get(modelClass)
    if (state === undefined) {
      state = { clock: createClassClock(), value: 0 }
      clocks.set(modelClass, state)
    }
    return state
  }
  const jobOf = (index: number): FleetJob => {
    const job = jobs[index]
    if (job === undefined) throw new Error(`no job ${index}`)
    return job
  }
  const demandOf = ({ tenant, tier, weight, modelClass, promptTokens }: FleetJob): Demand => {
    return { tenant, tier, weight, tokens: promptTokens + (estimates.get(modelClass) ?? 0) }
  }

  return {
    place(index) {
      const job = jobOf(index)
      const at = stateOf(job.modelClass).clock.place(demandOf(job))
      stoodAt[index] = at
      return at
    },
    // Lines of different classes have nothing in common but the time of day.
    acrossLines: (index) => jobOf(index).at,
    started(index) {
      const { modelClass, tier } = jobOf(index)
      stateOf(modelClass).clock.started(tier, stoodAt[index] ?? 0)
    },
    ended(index) {
      const job = jobOf(index)
      stateOf(job.modelClass).clock.correct(demandOf(job), job.promptTokens + job.answerTokens)
    },
    tick(now) {
      const forgets = now - forgotAt >= forgetEverySeconds
      if (forgets) forgotAt = now
      for (const state of clocks.values()) {
        state.value = state.clock.take()?.clock ?? state.value
        state.clock.sent({ clock: state.value, ends: new Map() })
        if (forgets) state.clock.forget()
      }
    },
  }
}

/** What an answer of a class takes in the mean: what is charged until it is known better. */
function meanAnswers(jobs: readonly FleetJob[]): ReadonlyMap<string, number> {
  const sums = new Map<string, { jobs: number; tokens: number }>()
  for (const { modelClass, answerTokens } of jobs) {
    const sum = sums.get(modelClass) ?? { jobs: 0, tokens: 0 }
    sums.set(modelClass, { jobs: sum.jobs + 1, tokens: sum.tokens + answerTokens })
  }
  return new Map([...sums].map(([name, sum]) => [name, sum.tokens / sum.jobs]))
}
