import type { WorkerLane, WorkerRegistration } from './job-queue.ts'

/**
 * Jobs of a class that these workers together run at once; 0: nobody takes any. Those that drain do not count, and one that tells
 * nothing of each class (an earlier version) is taken to share its room equally.
 */
export function totalSlots(workers: readonly WorkerRegistration[], modelClass: string): number {
  let slots = 0
  for (const worker of serving(workers, modelClass)) {
    const lane = laneOf(worker, modelClass)
    if (lane === undefined) slots += worker.limit / worker.classes.length
    // One that takes nothing of it now has another model's turn.
    else if (lane.limit > 0) slots += lane.slots ?? lane.limit
  }
  return slots
}

/**
 * Jobs of a class that one of these workers runs at once, in the mean of those that take any now (another model may be loaded
 * there); null when none does, or tells.
 */
export function meanSlots(workers: readonly WorkerRegistration[], modelClass: string): number | null {
  const slots = serving(workers, modelClass).flatMap((worker) => {
    const lane = laneOf(worker, modelClass)
    return lane !== undefined && lane.limit > 0 ? [lane.slots ?? lane.limit] : []
  })
  return slots.length === 0 ? null : slots.reduce((sum, count) => sum + count, 0) / slots.length
}

function serving(workers: readonly WorkerRegistration[], modelClass: string): readonly WorkerRegistration[] {
  return workers.filter(({ classes, state }) => state === 'running' && classes.includes(modelClass))
}

function laneOf({ lanes = [] }: WorkerRegistration, modelClass: string): WorkerLane | undefined {
  return lanes.find((lane) => lane.class === modelClass)
}
