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
  /**
   * Holds a class at so many jobs at once, or fewer: the least of what the configuration and everyone who caps it allow is its
   * limit. 0: it takes nothing new until it may again; what runs goes on. Null: no cap of theirs (any more).
   */
  cap(modelClass: string, limit: number | null, by?: Capper): void
  /** While it is held, every class takes nothing new, those to come as well; what runs goes on. */
  hold(held: boolean): void
  /** Classes served. */
  state(): readonly ConsumerState[]
}

/** Who may hold a class below its configured limit: what its backend can take, or another model that is loaded now. */
export type Capper = 'gate' | 'sticky'

export interface ConsumerState {
  readonly class: string
  readonly inFlight: number
  /** Jobs at once, now. */
  readonly limit: number
  /** By the configuration; the limit is never above it. */
  readonly configured: number
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
  const consumers = new Map<string, { readonly consumer: JobConsumer; configured: number }>()
  const caps = new Map<string, Map<Capper, number>>()
  let quieted = false
  let isHeld = false
  const limitOf = (name: string, configured: number): number =>
    isHeld ? 0 : Math.min(configured, ...(caps.get(name)?.values() ?? []))
  const all = (): JobConsumer[] => [...consumers.values()].map(({ consumer }) => consumer)

  return {
    async adopt(config) {
      const starts: Promise<void>[] = []
      for (const name of classes ?? Object.keys(config.classes)) {
        const configured = config.classes[name]?.concurrency ?? 1
        const known = consumers.get(name)
        if (known !== undefined) {
          known.configured = configured
          known.consumer.resize(limitOf(name, configured))
        } else if (!quieted) {
          const consumer = create(name, limitOf(name, configured))
          consumers.set(name, { consumer, configured })
          starts.push(consumer.start())
        }
      }
      await Promise.all(starts)
    },
    cap(modelClass, limit, by = 'sticky') {
      const ofClass = caps.get(modelClass) ?? new Map<Capper, number>()
      caps.set(modelClass, ofClass)
      if (limit === null) ofClass.delete(by)
      else ofClass.set(by, limit)
      const known = consumers.get(modelClass)
      known?.consumer.resize(limitOf(modelClass, known.configured))
    },
    hold(held) {
      isHeld = held
      for (const [name, { consumer, configured }] of consumers) consumer.resize(limitOf(name, configured))
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
      [...consumers].map(([name, { consumer, configured }]) => ({
        class: name,
        inFlight: consumer.inFlight,
        limit: limitOf(name, configured),
        configured,
      })),
  }
}
