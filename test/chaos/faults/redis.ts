import { between, pick } from '../run/random.ts'
import type { System } from '../system/system.ts'
import type { Fault } from './fault.ts'
import { membersOf } from './members.ts'
import { repeatedly } from './repeatedly.ts'

type InRoom = Omit<Fault, 'room'>

/** How long a connection may live while they are cut again and again, ms. */
const cutEveryMs = 700

const redisFaultsInRoom: readonly InRoom[] = [
  {
    name: 'redis-restart',
    description: 'Redis is stopped in order, and starts again on its data',
    lastsMs: [300, 4_000],
    inject: ({ redis }) => stopped(redis, 'SIGTERM'),
  },
  {
    name: 'redis-crash',
    description: 'Redis is killed, and starts again on what is in its append-only file',
    lastsMs: [300, 4_000],
    inject: ({ redis }) => stopped(redis, 'SIGKILL'),
  },
  {
    name: 'redis-pause',
    description: 'Redis answers nothing for some seconds; connections stay',
    lastsMs: [1_000, 5_000],
    inject: async ({ redis }) => paused(redis),
  },
  {
    name: 'redis-pause-long',
    description: 'Redis answers nothing for 30 s, longer than any lock',
    lastsMs: [30_000, 30_000],
    minRunMs: 300_000,
    inject: async ({ redis }) => paused(redis),
  },
  {
    name: 'redis-failover',
    description: 'the replica takes over',
    lastsMs: [0, 0],
    isPossible: ({ redis }) => redis.hasReplica,
    async inject({ redis }) {
      await redis.failOver()
      return { target: 'redis', heal: async () => {} }
    },
  },
  {
    name: 'redis-subscribers-killed',
    description: 'connections that subscribe are cut, again and again, and no others',
    lastsMs: [500, 4_000],
    async inject({ redis }) {
      return { target: 'subscribers', heal: await repeatedly(cutEveryMs, () => redis.killSubscribers()) }
    },
  },
  {
    name: 'redis-blackhole-one',
    description: 'nothing gets through between one process and Redis; connections stay (half-open TCP)',
    lastsMs: [2_000, 10_000],
    async inject(system, random) {
      const member = pick(random, membersOf(system))
      member.redis.blackhole()
      return { target: member.name, heal: async () => member.redis.pass() }
    },
  },
  {
    name: 'redis-blackhole-all',
    description: 'nothing gets through between anybody and Redis; connections stay',
    lastsMs: [2_000, 8_000],
    async inject(system) {
      for (const { redis } of membersOf(system)) redis.blackhole()
      return { target: 'everybody', heal: async () => passAll(system) }
    },
  },
  {
    name: 'redis-slow',
    description: 'everything to and from Redis takes 50 to 300 ms',
    lastsMs: [3_000, 10_000],
    async inject(system, random) {
      const delayMs = between(random, [50, 300])
      for (const { redis } of membersOf(system)) redis.delay(delayMs)
      return { target: `everybody, ${delayMs} ms`, heal: async () => passAll(system) }
    },
  },
  {
    name: 'redis-reset',
    description: 'connections to Redis are reset, again and again',
    lastsMs: [500, 4_000],
    async inject(system) {
      const cut = (): void => {
        for (const { redis } of membersOf(system)) redis.reset()
      }
      return { target: 'everybody', heal: await repeatedly(cutEveryMs, cut) }
    },
  },
  {
    name: 'redis-out-of-memory',
    description: 'Redis refuses writes for lack of memory',
    lastsMs: [2_000, 8_000],
    async inject({ redis }) {
      await redis.fillMemory()
      return { target: 'redis', heal: () => redis.freeMemory() }
    },
  },
  {
    name: 'redis-wipe',
    description: 'everything that Redis held is gone',
    lastsMs: [0, 0],
    async inject({ redis }) {
      await redis.wipe()
      return { target: 'redis', mayLose: 'interactive', heal: async () => {} }
    },
  },
]

export const redisFaults: readonly Fault[] = redisFaultsInRoom.map((fault) => ({ ...fault, room: 'redis' }))

async function stopped(redis: System['redis'], signal: 'SIGTERM' | 'SIGKILL'): ReturnType<Fault['inject']> {
  await redis.stop(signal)
  return { target: 'redis', measures: 'redis-restarted', heal: () => redis.start() }
}

function paused(redis: System['redis']): Awaited<ReturnType<Fault['inject']>> {
  redis.pause()
  return { target: 'redis', heal: async () => redis.resume() }
}

function passAll(system: System): void {
  for (const { redis } of membersOf(system)) redis.pass()
}
