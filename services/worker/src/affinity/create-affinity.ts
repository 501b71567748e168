import { hostname } from 'node:os'
import type { InferqConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import { createHandover, type JobHandover, prefixLeft } from '@inferq/queue'
import { type Clock, createPeriodicService, createService, type Redis, type Service } from '@inferq/runtime'
import type { InferqMetrics, Logger } from '@inferq/telemetry'
import type { AttemptReport } from '../attempt-report.ts'
import { type AffinityMessage, type ClassAffinity, createClassAffinity } from './class-affinity.ts'
import { homesOf } from './homes.ts'

export interface AffinityOptions {
  readonly workerId: string
  /** The classes it serves. Undefined: all of the configuration. */
  readonly classes: readonly string[] | undefined
  config(): InferqConfig
  readonly redis: Redis
  readonly subscriber: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: InferqMetrics
}

/** Turns of a conversation go to the worker that has served the one before. */
export interface Affinity extends Service {
  /** For the consumer of a class. */
  handoverOf(modelClass: string): JobHandover
  /** Hears of every attempt that has ended here. */
  readonly report: AttemptReport
  /** Serves the classes of this configuration from now on. */
  adopt(config: InferqConfig): Promise<void>
}

const lookEveryMs = 50

export function createAffinity(options: AffinityOptions): Affinity {
  const { workerId, redis, subscriber, keys, clock, log, metrics } = options
  const classes = new Map<string, ClassAffinity>()
  const classOfChannel = new Map<string, string>()
  const spillMs = (): number => options.config().workers.affinityMs
  const handover = createHandover({ workerId, redis, subscriber, keys, spillMs, clock, log })

  const onMessage = (channel: string, text: string): void => {
    const modelClass = classOfChannel.get(channel)
    if (modelClass !== undefined) classes.get(modelClass)?.hear(JSON.parse(text) as AffinityMessage)
  }

  const tell = async (modelClass: string, message: AffinityMessage): Promise<void> => {
    await redis.publish(keys.affinity(modelClass), JSON.stringify(message))
  }

  /** What is not due yet goes with the next look. */
  const tellNow = async (modelClass: string, known: ClassAffinity): Promise<void> => {
    const message = known.homes.size === 0 ? undefined : known.say()
    if (message !== undefined) await tell(modelClass, message)
  }

  const telling = createPeriodicService({
    ...{ name: 'affinity', intervalMs: lookEveryMs, clock, log },
    async run() {
      if (spillMs() === 0) return
      for (const [modelClass, known] of classes) await tellNow(modelClass, known)
    },
  })

  const adopt = async (config: InferqConfig): Promise<void> => {
    const names = options.classes ?? Object.keys(config.classes)
    const channels: string[] = []
    for (const name of names) {
      const homes = homesOf(config, name, hostname())
      const known = classes.get(name)
      if (known !== undefined) known.homes = homes
      else if (homes.size > 0) {
        classes.set(name, createClassAffinity({ workerId, homes, clock }))
        classOfChannel.set(keys.affinity(name), name)
        channels.push(keys.affinity(name))
      }
    }
    if (channels.length > 0) await subscriber.subscribe(...channels)
  }

  const service = createService({
    name: 'affinity',
    async start() {
      subscriber.on('message', onMessage)
      await handover.start()
      await adopt(options.config())
      await telling.start()
    },
    async stop(deadline) {
      await telling.stop(deadline)
      const message = { worker: workerId, homes: [], served: [], leaves: true } as const
      await Promise.all([...classes.keys()].map((name) => tell(name, message).catch((): void => {})))
      subscriber.off('message', onMessage)
      await subscriber.unsubscribe(...classOfChannel.keys()).catch((): number => 0)
      await handover.stop(deadline)
    },
  })

  return {
    ...service,
    adopt,
    handoverOf: (modelClass) => ({
      handover,
      preferred: ({ prefix }) => (prefix === undefined ? null : (classes.get(modelClass)?.preferred(prefix) ?? null)),
      onReply(id, reply) {
        metrics.handovers.with({ model_class: modelClass, reply }).inc()
        if (reply === 'silent') classes.get(modelClass)?.forget(id)
      },
    }),
    report({ class: modelClass, outcome, spec, hop }) {
      const known = classes.get(modelClass)
      if (outcome !== 'completed' || known === undefined || spillMs() === 0 || !known.matters()) return
      const prefix = prefixLeft(spec, hop)
      if (prefix === undefined) return
      known.serve(prefix)
      tellNow(modelClass, known).catch((error: unknown) => log.warn({ error }, 'affinity-not-told'))
    },
  }
}
