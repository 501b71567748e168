import { type ModelClass, tokensPerSecondOf } from './fleet.ts'

/** A job that a GPU has taken, by its number in the trace, with its work in answer tokens. */
export interface TakenJob {
  readonly job: number
  readonly work: number
  readonly modelClass: ModelClass
}

/**
 * One GPU: a model in memory, and its jobs, all of which go on at the same speed. `work` is what a job that had been there
 * since the beginning would have by now, so a job ends when `work` has grown by what it asks.
 */
export class Gpu {
  readonly index: number
  readonly serves: readonly ModelClass[]
  loaded: ModelClass
  loadedAt = 0
  /** Taken, and waits for its model: until then nothing else is. */
  pending: TakenJob | undefined
  isLoading = false
  /** Changes with everything that changes when its next job ends. */
  version = 0
  busySeconds = 0
  loadingSeconds = 0
  readonly #jobs: number[] = []
  readonly #ends: number[] = []
  #work = 0
  #now = 0

  constructor(index: number, serves: readonly ModelClass[], loaded: ModelClass) {
    this.index = index
    this.serves = serves
    this.loaded = loaded
  }

  get running(): number {
    return this.#jobs.length
  }

  get hasRoom(): boolean {
    return this.pending === undefined && this.#jobs.length < this.loaded.slots
  }

  start(now: number, { job, work }: TakenJob): void {
    this.pass(now)
    this.#jobs.push(job)
    this.#ends.push(this.#work + work)
  }

  /** When its next job ends, if nothing changes until then; undefined when there is none. */
  nextEndAt(): number | undefined {
    if (this.#jobs.length === 0) return undefined
    const left = Math.min(...this.#ends) - this.#work
    return this.#now + Math.max(0, left) / tokensPerSecondOf(this.loaded, this.#jobs.length)
  }

  /** The job that has just ended. */
  end(now: number): number {
    this.pass(now)
    const end = Math.min(...this.#ends)
    const place = this.#ends.indexOf(end)
    this.#work = end
    this.#ends.splice(place, 1)
    return this.#jobs.splice(place, 1)[0] ?? -1
  }

  /** Lets time pass until now. */
  pass(now: number): void {
    const passed = now - this.#now
    this.#now = now
    if (this.isLoading) this.loadingSeconds += passed
    if (this.#jobs.length === 0) return
    this.busySeconds += passed
    this.#work += passed * tokensPerSecondOf(this.loaded, this.#jobs.length)
  }
}
