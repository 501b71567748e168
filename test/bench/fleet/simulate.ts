import { classOf, type Fleet, type FleetJob, type ModelClass, workOf } from './fleet.ts'
import { Gpu } from './gpu.ts'
import { Heap } from './heap.ts'
import { Line } from './line.ts'
import { type Order, type Policy, tickSeconds } from './policies.ts'
import { secondsUntilSwap } from './sticky.ts'

/** What became of a trace. Times in seconds of the trace, by the job's number in it. */
export interface FleetRun {
  readonly startedAt: Float64Array
  readonly endedAt: Float64Array
  readonly swaps: number
  /** Shares of all GPUs' time until the last arrival: with at least one job, and loading a model. */
  readonly busyShare: number
  readonly loadingShare: number
}

/** What can be seen between two events. */
export interface FleetView {
  readonly now: number
  readonly gpus: readonly Gpu[]
  waiting(modelClass: string): number
}

/**
 * Serves a trace, whose jobs are in the order of their arrival, on a fleet, in virtual time. Every GPU begins with one of
 * its models loaded, in turns. Throws for a job of a class that no GPU serves.
 */
export function simulate(
  fleet: Fleet,
  jobs: readonly FleetJob[],
  policy: Policy,
  observe?: (view: FleetView) => void,
): FleetRun {
  return new Simulation(fleet, jobs, policy).run(observe)
}

/** More than any GPU runs. */
const jobsOfNoGpu = 1e6

class Simulation {
  readonly #jobs: readonly FleetJob[]
  readonly #isSticky: boolean
  readonly #order: Order
  readonly #lines = new Map<string, Line>()
  readonly #gpus: readonly Gpu[]
  /** GPUs whose next job ends or whose model is there, as `gpu + gpus × version`; below 0 lines to look at again. */
  readonly #events = new Heap()
  readonly #lookAt: (number | undefined)[] = []
  readonly #startedAt: Float64Array
  readonly #endedAt: Float64Array
  #now = 0
  #swaps = 0

  constructor(fleet: Fleet, jobs: readonly FleetJob[], policy: Policy) {
    this.#jobs = jobs
    this.#isSticky = policy.isSticky
    this.#order = policy.createOrder(jobs)
    this.#gpus = gpusOf(fleet)
    const isTaken = new Uint8Array(jobs.length)
    const served = new Set(this.#gpus.flatMap(({ serves }) => serves))
    for (const modelClass of served) this.#lines.set(modelClass.name, new Line(modelClass, jobs, isTaken))
    this.#startedAt = new Float64Array(jobs.length).fill(Number.NaN)
    this.#endedAt = new Float64Array(jobs.length).fill(Number.NaN)
  }

  run(observe: ((view: FleetView) => void) | undefined): FleetRun {
    const view = { gpus: this.#gpus, waiting: (name: string) => this.#lineOf(name).size }
    const shares = { busyShare: 0, loadingShare: 0 }
    let arrived = 0
    let tickAt = 0
    for (;;) {
      const arrival = this.#jobs[arrived]
      const eventAt = this.#events.firstKey
      const arrivalAt = arrival?.at ?? Number.POSITIVE_INFINITY
      if (arrival === undefined && eventAt === undefined) break
      const next = Math.min(arrivalAt, eventAt ?? Number.POSITIVE_INFINITY)
      for (; tickAt <= next; tickAt += tickSeconds) this.#order.tick?.(tickAt)
      this.#now = next
      if (arrival !== undefined && arrivalAt <= next) {
        this.#arrive(arrived, arrival)
        arrived += 1
        if (arrived === this.#jobs.length) Object.assign(shares, this.#sharesOfTime())
      } else this.#happen(this.#events.pop() as number)
      observe?.({ ...view, now: this.#now })
    }
    const waiting = [...this.#lines.values()].filter((line) => line.size > 0)
    if (waiting.length > 0) throw new Error(`jobs of ${waiting[0]?.modelClass.name} were left behind`)
    return { startedAt: this.#startedAt, endedAt: this.#endedAt, swaps: this.#swaps, ...shares }
  }

  #arrive(index: number, job: FleetJob): void {
    const line = this.#lineOf(job.modelClass)
    line.add(this.#order.place(index), index)
    this.#offer(line)
  }

  #happen(event: number): void {
    if (event < 0) {
      this.#lookAt[-event - 1] = undefined
      const line = [...this.#lines.values()][-event - 1]
      if (line !== undefined && line.size > 0) this.#offer(line)
      return
    }
    const gpu = this.#gpus[event % this.#gpus.length]
    if (gpu === undefined || gpu.version !== Math.floor(event / this.#gpus.length)) return
    if (gpu.isLoading) this.#loaded(gpu)
    else {
      const job = gpu.end(this.#now)
      this.#endedAt[job] = this.#now
      this.#order.ended?.(job)
    }
    this.#fill(gpu)
  }

  /** Asks the GPU that is best for this line, of those that have room: one that has the model, then the emptiest. */
  #offer({ modelClass }: Line): void {
    let best: Gpu | undefined
    let bestRank = Number.POSITIVE_INFINITY
    for (const gpu of this.#gpus) {
      if (!gpu.hasRoom || !gpu.serves.includes(modelClass)) continue
      const rank = gpu.running + (gpu.loaded === modelClass ? 0 : jobsOfNoGpu)
      if (rank >= bestRank) continue
      best = gpu
      bestRank = rank
    }
    if (best !== undefined) this.#fill(best)
  }

  /** Takes jobs while there is room for them. */
  #fill(gpu: Gpu): void {
    if (gpu.pending !== undefined && !gpu.isLoading && gpu.running === 0) this.#load(gpu)
    while (gpu.hasRoom) {
      const line = this.#isSticky ? this.#stickyChoice(gpu) : this.#firstOfLines(gpu)
      const job = line?.take()
      if (line === undefined || job === undefined) break
      const { modelClass } = line
      this.#order.started?.(job)
      const taken = { job, modelClass, work: workOf(this.#jobs[job] as FleetJob, modelClass) }
      if (modelClass === gpu.loaded) this.#start(gpu, taken)
      else {
        gpu.pending = taken
        if (gpu.running === 0) this.#load(gpu)
      }
    }
    if (!gpu.isLoading) this.#schedule(gpu, gpu.nextEndAt())
  }

  #start(gpu: Gpu, taken: NonNullable<Gpu['pending']>): void {
    gpu.start(this.#now, taken)
    this.#startedAt[taken.job] = this.#now
  }

  #load(gpu: Gpu): void {
    const { pending } = gpu
    if (pending === undefined) return
    gpu.pass(this.#now)
    gpu.loaded = pending.modelClass
    gpu.isLoading = true
    this.#swaps += 1
    this.#schedule(gpu, this.#now + gpu.loaded.loadSeconds)
  }

  #loaded(gpu: Gpu): void {
    const { pending } = gpu
    gpu.pass(this.#now)
    gpu.isLoading = false
    gpu.loadedAt = this.#now
    gpu.pending = undefined
    if (pending !== undefined) this.#start(gpu, pending)
  }

  #schedule(gpu: Gpu, at: number | undefined): void {
    gpu.version += 1
    if (at !== undefined) this.#events.push(at, gpu.index + this.#gpus.length * gpu.version)
  }

  #firstOfLines(gpu: Gpu): Line | undefined {
    let best: { readonly line: Line; readonly key: number } | undefined
    for (const { name } of gpu.serves) {
      const line = this.#lineOf(name)
      if (line.first === undefined) continue
      const key = this.#order.acrossLines(line.first)
      if (best === undefined || key < best.key) best = { line, key }
    }
    return best?.line
  }

  /** The line of its model, unless another one is worth a swap. */
  #stickyChoice(gpu: Gpu): Line | undefined {
    const own = this.#lineOf(gpu.loaded.name)
    if (gpu.serves.length === 1) return own
    const loadedSeconds = this.#now - gpu.loadedAt
    const here = { running: gpu.running, waiting: own.size, gpus: this.#gpusOf(gpu.loaded), loadedSeconds }
    let best: { readonly line: Line; readonly pressure: number } | undefined
    for (const modelClass of gpu.serves) {
      const line = this.#lineOf(modelClass.name)
      if (line === own || line.size === 0) continue
      const oldestSeconds = line.oldestSeconds(this.#now)
      const gpus = this.#gpusOf(modelClass)
      const other = { waiting: line.size, oldestSeconds, gpus, loadSeconds: modelClass.loadSeconds }
      const seconds = secondsUntilSwap({ here, other })
      if (seconds > 1e-9) this.#lookAgain(line, this.#now + seconds)
      else {
        const pressure = (line.size * oldestSeconds) / Math.max(gpus, 0.1)
        if (best === undefined || pressure > best.pressure) best = { line, pressure }
      }
    }
    return best?.line ?? own
  }

  #lookAgain(line: Line, at: number): void {
    const place = [...this.#lines.values()].indexOf(line)
    const known = this.#lookAt[place]
    if (at === Number.POSITIVE_INFINITY || (known !== undefined && known <= at)) return
    this.#lookAt[place] = at
    this.#events.push(at, -place - 1)
  }

  /** That have the model, or are about to. */
  #gpusOf(modelClass: ModelClass): number {
    return this.#gpus.filter((gpu) => (gpu.pending?.modelClass ?? gpu.loaded) === modelClass).length
  }

  #lineOf(name: string): Line {
    const line = this.#lines.get(name)
    if (line === undefined) throw new Error(`no GPU serves "${name}"; there are ${[...this.#lines.keys()].join(', ')}`)
    return line
  }

  #sharesOfTime(): { busyShare: number; loadingShare: number } {
    for (const gpu of this.#gpus) gpu.pass(this.#now)
    const whole = Math.max(this.#now, Number.MIN_VALUE) * this.#gpus.length
    const sum = (seconds: (gpu: Gpu) => number) => this.#gpus.reduce((total, gpu) => total + seconds(gpu), 0)
    return { busyShare: sum((gpu) => gpu.busySeconds) / whole, loadingShare: sum((gpu) => gpu.loadingSeconds) / whole }
  }
}

function gpusOf(fleet: Fleet): Gpu[] {
  const each = fleet.pools.flatMap((pool) => {
    const serves = pool.classes.map((name) => classOf(fleet, name))
    return Array.from({ length: pool.gpus }, (_, place) => ({ serves, loaded: serves[place % serves.length] }))
  })
  return each.map(({ serves, loaded }, index) => new Gpu(index, serves, loaded as ModelClass))
}
