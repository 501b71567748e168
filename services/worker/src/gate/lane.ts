import { estimatePromptTokens } from '@inferq/routing'
import type { OutputMeter } from '../operations/operation.ts'
import type { ClassLoad } from './class-loads.ts'
import { firstState, type GateState } from './decide-limit.ts'
import { createTokenGrowth, type Growth, type TokenGrowth } from './token-growth.ts'

/** A job under way, as the gate weighs it. */
export interface GateJob {
  readonly request: Readonly<Record<string, unknown>>
  readonly stream: boolean
  readonly meter: OutputMeter
  /** Ms since the epoch. */
  readonly startedAt: number
}

/** What the gate knows of a class. */
export class Lane {
  readonly tellsLoad: boolean
  state: GateState
  load: ClassLoad | undefined
  /** The limit at which its backend's load last held it. */
  heldAt: number | undefined
  rejections = 0
  ended = 0
  readonly #growth: TokenGrowth = createTokenGrowth()
  /** With the tokens of its prompt, once somebody has asked. */
  readonly #running = new Map<GateJob, number | undefined>()

  constructor(configured: number, tellsLoad: boolean) {
    this.tellsLoad = tellsLoad
    this.state = firstState(configured, tellsLoad)
  }

  enter(job: GateJob): () => void {
    this.#running.set(job, undefined)
    return () => void this.#running.delete(job)
  }

  completed(outputTokens: number, durationMs: number): void {
    this.#growth.ended(outputTokens, durationMs)
  }

  /** @param now ms since the epoch */
  growth(now: number): Growth {
    const every = Math.ceil(this.#running.size / mostWeighed)
    const some = [...this.#running].filter((_, place) => place % every === 0)
    return this.#growth.growthOf(
      some.map(([job, known]) => {
        const promptTokens = known ?? estimatePromptTokens(job.request)
        this.#running.set(job, promptTokens)
        const { characters } = job.meter
        const outputTokens = job.stream ? Math.ceil(characters / charactersPerToken) : undefined
        return { promptTokens, outputTokens, ageMs: now - job.startedAt }
      }),
    )
  }

  /** Preemptions since the last reading; a backend that has started anew counts from 0 again. */
  newPreemptions(load: ClassLoad | undefined): number {
    if (load === undefined || this.load === undefined) return 0
    const added = load.preemptions - this.load.preemptions
    return added < 0 ? load.preemptions : added
  }
}

/** Enough for a mean, and a bound for a look. */
const mostWeighed = 100
/** Rough: English has about four to a token. */
const charactersPerToken = 4
