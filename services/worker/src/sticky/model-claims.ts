import type { RedisKeys } from '@inferq/contracts'
import type { Redis } from '@inferq/runtime'

/** Which worker is about to load a class's model: one at a time, so that not every backend drops what it has for one job. */
export interface ModelClaims {
  /** False: another worker has it. A claim passes by itself after `lifetimeMs`. */
  take(modelClass: string, lifetimeMs: number): Promise<boolean>
  /** Another worker has it. */
  isTaken(modelClass: string): Promise<boolean>
}

export function createModelClaims(redis: Redis, keys: RedisKeys, workerId: string): ModelClaims {
  const holderOf = (modelClass: string): Promise<string | null> => redis.get(keys.modelClaim(modelClass))
  return {
    async take(modelClass, lifetimeMs) {
      const set = await redis.set(keys.modelClaim(modelClass), workerId, 'PX', Math.ceil(lifetimeMs), 'NX')
      // One that has just passed is left for the next look.
      return set === 'OK' || (await holderOf(modelClass)) === workerId
    },
    async isTaken(modelClass) {
      const holder = await holderOf(modelClass)
      return holder !== null && holder !== workerId
    },
  }
}
