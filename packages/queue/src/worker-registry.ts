import type { RedisKeys } from '@inferq/contracts'
import type { Redis } from 'ioredis'
import type { WorkerRegistration } from './job-queue.ts'
import { toUnavailable } from './unavailable.ts'

/** Who works: each worker's last word about itself. */
export interface WorkerRegistry {
  /** Says that the worker lives; forgotten after `lifetimeMs` without a further beat. */
  beat(registration: WorkerRegistration, lifetimeMs: number): Promise<void>
  leave(workerId: string): Promise<void>
  /** Throws InferqError `service_unavailable`. */
  list(): Promise<readonly WorkerRegistration[]>
}

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
  }
}
