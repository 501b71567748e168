import type { Tier } from '@inferq/contracts'

/** What a GPU does with a model class while it has the model in memory. */
export interface ModelClass {
  readonly name: string
  /** Answer tokens a second of a job that is alone on its GPU. */
  readonly tokensPerSecond: number
  /** Jobs at once. */
  readonly slots: number
  /** Each further job stretches the time between tokens by this share: the simulator's `batchSlowdown`. */
  readonly batchSlowdown: number
  /** What a token of the prompt takes, as a share of one of the answer. */
  readonly promptShare: number
  /** To bring the model into memory, and the one before out of it. */
  readonly loadSeconds: number
}

/** Equal GPUs, each of which serves all these classes, one at a time. */
export interface Pool {
  readonly gpus: number
  readonly classes: readonly string[]
}

export interface Fleet {
  readonly classes: readonly ModelClass[]
  readonly pools: readonly Pool[]
}

/** One arrival of a trace. */
export interface FleetJob {
  /** Seconds from the start of the trace. */
  readonly at: number
  readonly tenant: string
  readonly weight: number
  readonly tier: Tier
  readonly modelClass: string
  readonly promptTokens: number
  readonly answerTokens: number
}

/** How much a job asks of a GPU: in answer tokens. */
export function workOf(job: Pick<FleetJob, 'promptTokens' | 'answerTokens'>, { promptShare }: ModelClass): number {
  return job.answerTokens + promptShare * job.promptTokens
}

/** Answer tokens a second that one GPU gives to each of so many jobs. */
export function tokensPerSecondOf({ tokensPerSecond, batchSlowdown }: ModelClass, running: number): number {
  return tokensPerSecond / (1 + batchSlowdown * Math.max(0, running - 1))
}

/** Answer tokens a second of a GPU that is full. */
export function capacityOf(modelClass: ModelClass): number {
  return modelClass.slots * tokensPerSecondOf(modelClass, modelClass.slots)
}

/** The class of that name. Throws when there is none. */
export function classOf(fleet: Fleet, name: string): ModelClass {
  const found = fleet.classes.find((one) => one.name === name)
  if (found !== undefined) return found
  throw new Error(`no model class "${name}"; there are ${fleet.classes.map((one) => one.name).join(', ')}`)
}
