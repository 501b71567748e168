import { totalSlots, type WorkerRegistration, type WorkerRegistry } from '@inferq/queue'
import type { Clock } from '@inferq/runtime'
import type { Shares } from '@inferq/shares'

/** How fast the jobs of a class go: what every wait that a client is told is made of. */
export interface ClassPace {
  /** Seconds until a job at this place in line (1 is next) starts; null: not known. Never rejects. */
  etaSeconds(modelClass: string, position: number): Promise<number | null>
  /** Jobs of the class that the workers together run at once; null: not known. Never rejects. */
  slots(modelClass: string): Promise<number | null>
  /** Seconds until so many of a class's jobs have left the line; null: not known. */
  drainSeconds(modelClass: string, jobs: number, slots: number | null): number | null
}

export interface ClassPaceOptions {
  readonly workers: Pick<WorkerRegistry, 'list'>
  readonly shares: Pick<Shares, 'meanSeconds'>
  readonly clock: Clock
  /** The workers are asked for at most this often, for all who want to know. Default 1 s. */
  readonly lookEveryMs?: number
}

export function createClassPace({ workers, shares, clock, lookEveryMs = 1_000 }: ClassPaceOptions): ClassPace {
  let lookedAt = Number.NEGATIVE_INFINITY
  let seen: Promise<readonly WorkerRegistration[] | null> = Promise.resolve(null)

  const look = (): Promise<readonly WorkerRegistration[] | null> => {
    if (clock.monotonic() - lookedAt >= lookEveryMs) {
      lookedAt = clock.monotonic()
      seen = workers.list().catch(() => null)
    }
    return seen
  }

  const drainSeconds: ClassPace['drainSeconds'] = (modelClass, jobs, slots) => {
    const meanSeconds = shares.meanSeconds(modelClass)
    return meanSeconds === null || slots === null || slots === 0 ? null : (jobs / slots) * meanSeconds
  }

  const slots: ClassPace['slots'] = async (modelClass) => {
    const registrations = await look()
    return registrations === null ? null : totalSlots(registrations, modelClass)
  }

  return {
    slots,
    drainSeconds,
    async etaSeconds(modelClass, position) {
      const seconds = drainSeconds(modelClass, position, await slots(modelClass))
      return seconds === null ? null : Math.round(seconds * 10) / 10
    },
  }
}
