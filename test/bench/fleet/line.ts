import type { FleetJob, ModelClass } from './fleet.ts'
import { Heap } from './heap.ts'

/** Who waits for one model class. */
export class Line {
  readonly modelClass: ModelClass
  readonly #jobs: readonly FleetJob[]
  readonly #waiting = new Heap()
  /** In the order of their arrival, with those that are gone. */
  readonly #arrived: number[] = []
  #oldest = 0
  readonly #isTaken: Uint8Array

  /** `isTaken`: one for each job of the trace, shared by all lines. */
  constructor(modelClass: ModelClass, jobs: readonly FleetJob[], isTaken: Uint8Array) {
    this.modelClass = modelClass
    this.#jobs = jobs
    this.#isTaken = isTaken
  }

  get size(): number {
    return this.#waiting.size
  }

  get first(): number | undefined {
    return this.#waiting.first
  }

  add(place: number, job: number): void {
    this.#waiting.push(place, job)
    this.#arrived.push(job)
  }

  /** The first one; undefined when nobody waits. */
  take(): number | undefined {
    const job = this.#waiting.pop()
    if (job !== undefined) this.#isTaken[job] = 1
    return job
  }

  /** How long the one has waited that came before all others. */
  oldestSeconds(now: number): number {
    while (this.#isTaken[this.#arrived[this.#oldest] ?? -1] === 1) this.#oldest += 1
    const job = this.#jobs[this.#arrived[this.#oldest] ?? -1]
    return job === undefined ? 0 : now - job.at
  }
}
