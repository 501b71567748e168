/** What a GPU and a line in front of it look like, when it has room. */
export interface SwapQuestion {
  /** The model it has. */
  readonly here: {
    readonly running: number
    readonly waiting: number
    /** GPUs that have it. */
    readonly gpus: number
    readonly loadedSeconds: number
  }
  /** A model it could have instead. */
  readonly other: {
    readonly waiting: number
    readonly oldestSeconds: number
    /** GPUs that have it, or load it. */
    readonly gpus: number
    readonly loadSeconds: number
  }
}

/** A model is kept for so many times as long as it takes to load one, and gives way to who has waited for so long. */
const dwellLoads = 5
const ageingSeconds = 20

/**
 * In how many seconds a GPU should change its model, if nothing else happens: 0 is now, infinity never.
 *
 * Idle, it changes when those who wait have together waited for as long as loading takes, or at once when no other GPU has
 * the model. With jobs of its own waiting, it changes only for who has grown old, when it has had its model for a while,
 * and the other model has more waiting for each of its GPUs.
 */
export function secondsUntilSwap({ here, other }: SwapQuestion): number {
  if (other.waiting === 0) return Number.POSITIVE_INFINITY
  if (here.running === 0 && here.waiting === 0) {
    if (other.gpus === 0) return 0
    return Math.max(0, other.loadSeconds / other.waiting - other.oldestSeconds)
  }
  if (other.gpus > 0 && other.waiting / other.gpus <= here.waiting / here.gpus) return Number.POSITIVE_INFINITY
  const dwell = dwellLoads * other.loadSeconds - here.loadedSeconds
  return Math.max(0, dwell, ageingSeconds - other.oldestSeconds)
}
