import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRedisKeys } from '@inferq/contracts'
import {
  closeRedis,
  createId,
  createRedis,
  createSilentLog,
  type EmbeddedRedis,
  type Redis,
  startEmbeddedRedis,
  whenRedisReady,
} from '@inferq/runtime'
import type { TestRedis } from './redis.ts'

/** A Redis of a test's own, to be broken. */
export interface OwnRedis extends TestRedis {
  /** It ends as when it is told to; nobody listens afterwards. */
  shutDown(): Promise<void>
  /** It is there again, with what it had, under the same address. */
  startAgain(): Promise<void>
  /** It takes connections and commands, and answers nothing. */
  freeze(): void
  thaw(): void
  /** Everything it holds is gone, and every connection to it is cut: as if another, empty one had taken its place. */
  wipe(): Promise<void>
  /** From now on writes are refused for want of memory. */
  fill(): Promise<void>
  /** There is memory again. */
  drain(): Promise<void>
  /** From now on writes are refused: it is a replica (of nobody that is there). */
  demote(): Promise<void>
  promote(): Promise<void>
}

export async function startOwnRedis(): Promise<OwnRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'inferq-own-redis-'))
  const options = {
    dataDir: join(directory, 'redis'),
    cacheDir: join(import.meta.dirname, '../../../.inferq/cache'),
    log: createSilentLog(),
  }
  let server: EmbeddedRedis = await startEmbeddedRedis(options)
  const { url } = server
  const connections: Redis[] = []
  const signal = (name: NodeJS.Signals): void => {
    if (server.pid !== undefined) process.kill(server.pid, name)
  }

  /** Over a connection of its own, so that what the test's connections go through does not matter. */
  const command = async (...args: readonly [string, ...string[]]): Promise<void> => {
    const redis = createRedis({ url, role: 'command', log: createSilentLog() })
    try {
      await whenRedisReady(redis, { timeoutMs: 30_000 })
      const [name, ...rest] = args
      await redis.call(name, ...rest)
    } finally {
      redis.disconnect()
    }
  }

  return {
    url,
    keys: createRedisKeys(createId('test')),
    async connect(role = 'command', to = url) {
      const redis = createRedis({ url: to, role, log: createSilentLog(), cork: role !== 'subscriber' })
      connections.push(redis)
      await whenRedisReady(redis, { timeoutMs: 30_000 })
      return redis
    },
    shutDown: () => server.stop(),
    async startAgain() {
      server = await startEmbeddedRedis(options)
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async wipe() {
      await command('FLUSHALL')
      await command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    },
    fill: () => command('CONFIG', 'SET', 'maxmemory', '1'),
    drain: () => command('CONFIG', 'SET', 'maxmemory', '0'),
    demote: () => command('REPLICAOF', '127.0.0.1', '9'),
    promote: () => command('REPLICAOF', 'NO', 'ONE'),
    async close() {
      signal('SIGCONT')
      await Promise.all(connections.map((redis) => closeRedis(redis)))
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
