import type { InferqConfig } from '@inferq/config'
import type { JobConsumer } from '@inferq/queue'
import type { Deadline } from '@inferq/runtime'

/** The consumers of a worker: one for each class it serves, as the configuration changes. */
export interface Consumers {
  /** Serves these classes from now on, with the limits of this configuration. */
  adopt(config: InferqConfig): Promise<void>
  /** Aborts the running attempt of a job, if it runs here. */
  abort(jobId: string, reason: Error): void
  abortAll(reason: Error): void
  /** Jobs that run here. */
  running(): readonly string[]
  quiet(): Promise<void>
  stop(deadline: Deadline): Promise<void>
  /** Classes served, with what runs and what may. */
  state(): readonly { readonly class: string; readonly inFlight: number; readonly limit: number }[]
}

export interface ConsumersOptions {
  /** Undefined: every class of the configuration. */
  readonly classes: readonly string[] | undefined
  create(modelClass: string, concurrency: number): JobConsumer
}

/**
 * A class that leaves the configuration keeps its consumer: jobs that still wait in it are told so, and go to their next
 * candidate, instead of waiting for nobody.
 */
export function createConsumers({ classes, create }: ConsumersOptions): Consumers {
  const consumers = new Map<string, { readonly consumer: JobConsumer; limit: number }>()
  let quieted = false
  const all = (): JobConsumer[] => [...consumers.values()].map(({ consumer }) => consumer)

  return {
    async adopt(config) {
      const starts: Promise<void>[] = []
      for (const name of classes ?? Object.keys(config.classes)) {
        const limit = config.classes[name]?.concurrency ?? 1
        const known = consumers.get(name)
        if (known !== undefined) {
          known.limit = limit
          known.consumer.resize(limit)
        } else if (!quieted) {
          const consumer = create(name, limit)
          consumers.set(name, { consumer, limit })
          starts.push(consumer.start())
        }
      }
      await Promise.all(starts)
    },
    abort(jobId, reason) {
      for (const consumer of all()) consumer.abort(jobId, reason)
    },
    abortAll(reason) {
      for (const consumer of all()) consumer.abortAll(reason)
    },
    running: () => all().flatMap((consumer) => consumer.runningJobs),
    async quiet() {
      quieted = true
      await Promise.all(all().map((consumer) => consumer.quiet()))
    },
    async stop(deadline) {
      quieted = true
      await Promise.all(all().map((consumer) => consumer.stop(deadline)))
    },
    state: () =>
      [...consumers].map(([name, { consumer, limit }]) => ({ class: name, inFlight: consumer.inFlight, limit })),
  }
}
