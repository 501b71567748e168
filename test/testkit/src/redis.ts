import { createRedisKeys, type RedisKeys } from '@inferq/contracts'
import { closeRedis, createId, createRedis, createSilentLog, type RedisRole, whenRedisReady } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import { inject } from 'vitest'

/** A namespace of its own on the run's Redis, and connections that end with it. */
export interface TestRedis {
  readonly url: string
  readonly keys: RedisKeys
  connect(role?: RedisRole, url?: string): Promise<Redis>
  close(): Promise<void>
}

export function createTestRedis(): TestRedis {
  const url = inject('redisUrl')
  const connections: Redis[] = []
  return {
    url,
    keys: createRedisKeys(createId('test')),
    async connect(role = 'command', to = url) {
      // Straight to the run's Redis, which always answers: late, when the machine is busy.
      const patience = to === url && role === 'command' ? { replyTimeoutMs: 60_000 } : {}
      const redis = createRedis({ url: to, role, log: createSilentLog(), cork: role !== 'subscriber', ...patience })
      connections.push(redis)
      await whenRedisReady(redis, { timeoutMs: 30_000 })
      return redis
    },
    async close() {
      await Promise.all(connections.map((redis) => closeRedis(redis)))
    },
  }
}
