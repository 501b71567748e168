/** What is known of a model class at one moment. */
export interface ClassDemand {
  /** Jobs that wait for a slot, those included that were put back and come again. */
  readonly waiting: number
  /** Jobs that hold a slot. */
  readonly active: number
  /** How long the oldest that waits has waited; null when none does. */
  readonly oldestSeconds: number | null
  /** Workers that take jobs of the class: neither draining nor drained. */
  readonly workers: number
  /** Jobs of the class that one worker runs at once. At least 1. */
  readonly slotsPerWorker: number
  /** How long a job holds a slot, in the mean; null when nobody knows. */
  readonly meanSeconds: number | null
}

export interface ScaleWishes {
  /** How long a job may wait. */
  readonly targetWaitSeconds: number
  readonly min: number
  readonly max: number
}

/**
 * How many workers a class should have.
 *
 * Slots: those that are held now (by Little's law, what arrives × how long it takes), and as many as clear the backlog within
 * the target wait: a slot ends `target ÷ mean` jobs in that time, and more than one for each waiting job is of no use. As long
 * as nobody knows how long a job takes, each waiting job gets a slot of its own.
 *
 * Where the oldest has waited longer than it should, the reckoning was too low: then one more than there are, as long as there
 * are jobs for it. None only where nothing waits and nothing runs.
 */
export function desiredReplicas(demand: ClassDemand, { targetWaitSeconds, min, max }: ScaleWishes): number {
  const { waiting, active, oldestSeconds, workers, slotsPerWorker, meanSeconds } = demand
  const jobsPerSlot = meanSeconds === null || meanSeconds <= 0 ? 1 : Math.max(1, targetWaitSeconds / meanSeconds)
  const wanted = Math.ceil((active + waiting / jobsPerSlot) / slotsPerWorker)
  const most = Math.ceil((active + waiting) / slotsPerWorker)
  const isLate = oldestSeconds !== null && oldestSeconds > targetWaitSeconds
  const needed = isLate ? Math.min(most, Math.max(wanted, workers + 1)) : wanted
  return Math.min(max, Math.max(min, needed))
}
