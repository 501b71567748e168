import type { RedisKeys } from '@inferq/contracts'
import type { Redis } from 'ioredis'
import type { WorkerRegistration } from './job-queue.ts'
import { toUnavailable } from './unavailable.ts'

/** Who works: each worker's last word about itself, and what it was told. */
export interface WorkerRegistry {
  /** Says that the worker lives; forgotten after `lifetimeMs` without a further beat. */
  beat(registration: WorkerRegistration, lifetimeMs: number): Promise<void>
  leave(workerId: string): Promise<void>
  /** Throws InferqError `service_unavailable`. */
  list(): Promise<readonly WorkerRegistration[]>
  /** Null when it does not live. Throws InferqError `service_unavailable`. */
  find(workerId: string): Promise<WorkerRegistration | null>
  /**
   * Tells a worker to drain. It stands until `cancelDrain`, for whatever process has this id; one that nobody has for a week
   * is forgotten. Throws InferqError `service_unavailable`.
   */
  orderDrain(workerId: string): Promise<void>
  /** False when it was not told to. Throws InferqError `service_unavailable`. */
  cancelDrain(workerId: string): Promise<boolean>
  /** What the worker itself asks, again and again: the message about it may be lost. */
  isDrainOrdered(workerId: string): Promise<boolean>
}

const orderSeconds = 7 * 86_400

export function createWorkerRegistry({ redis, keys }: { redis: Redis; keys: RedisKeys }): WorkerRegistry {
  return {
    async beat(registration, lifetimeMs) {
      await Promise.all([
        redis.set(keys.worker(registration.id), JSON.stringify(registration), 'PX', lifetimeMs),
        redis.zadd(keys.workers(), registration.lastBeatAt, registration.id),
      ])
    },
    async leave(workerId) {
      await Promise.all([redis.del(keys.worker(workerId)), redis.zrem(keys.workers(), workerId)])
    },
    async list() {
      const ids = await redis.zrange(keys.workers(), '0', '-1').catch(toUnavailable)
      const texts = await Promise.all(ids.map((id) => redis.get(keys.worker(id)))).catch(toUnavailable)
      const lost = ids.filter((_, i) => texts[i] === null)
      if (lost.length > 0) await redis.zrem(keys.workers(), ...lost).catch(toUnavailable)
      return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as WorkerRegistration)
    },
    async find(workerId) {
      const text = await redis.get(keys.worker(workerId)).catch(toUnavailable)
      return text === null ? null : (JSON.parse(text) as WorkerRegistration)
    },
    async orderDrain(workerId) {
      await redis.set(keys.workerDrain(workerId), Date.now(), 'EX', orderSeconds).catch(toUnavailable)
      await redis.publish(keys.workerOrders(), workerId).catch(toUnavailable)
    },
    async cancelDrain(workerId) {
      const removed = await redis.del(keys.workerDrain(workerId)).catch(toUnavailable)
      await redis.publish(keys.workerOrders(), workerId).catch(toUnavailable)
      return removed === 1
    },
    async isDrainOrdered(workerId) {
      return (await redis.getex(keys.workerDrain(workerId), 'EX', orderSeconds)) !== null
    },
  }
}
