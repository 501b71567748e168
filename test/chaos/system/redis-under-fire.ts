import { until } from '@inferq/testkit/until'
import type { RedisProcess } from './redis-process.ts'
import type { RedisUnderFire } from './system.ts'

const failOverWithinMs = 60_000

export interface RedisServers {
  readonly first: RedisProcess
  /** Undefined: there is no failing over. */
  readonly second: RedisProcess | undefined
  /** Leads everybody to this server from now on. */
  readonly leadTo: (server: RedisProcess) => void
}

/** Both run, `second` as the replica of `first`. `stop`, `start` and the like concern the one that is primary. */
export function createRedisUnderFire({ first, second, leadTo }: RedisServers): RedisUnderFire {
  let primary = first
  let replica = second

  return {
    get url() {
      return primary.url
    },
    hasReplica: second !== undefined,
    stop: (signal) => primary.stop(signal),
    start: () => primary.start(null),
    pause: () => primary.send('SIGSTOP'),
    resume: () => primary.send('SIGCONT'),
    async failOver() {
      if (replica === undefined) throw new Error('there is no replica to fail over to')
      const [before, after] = [primary, replica]
      await until(() => isInStep(before), { timeoutMs: failOverWithinMs, everyMs: 20, what: 'the replica is in step' })
      await before.command((redis) => redis.call('FAILOVER', 'TO', '127.0.0.1', String(after.port)))
      const hasTurned = async (): Promise<boolean> =>
        (await roleOf(after)) === 'master' && (await roleOf(before)) === 'slave'
      await until(hasTurned, { timeoutMs: failOverWithinMs, everyMs: 10, what: 'the replica has taken over' })
      primary = after
      replica = before
      leadTo(primary)
    },
    async wipe() {
      const servers = replica === undefined ? [primary] : [primary, replica]
      await Promise.all(servers.map((server) => server.stop('SIGKILL')))
      await Promise.all(servers.map((server) => server.eraseData()))
      await primary.start(null)
      await replica?.start(primary.port)
    },
    fillMemory: async () => void (await primary.command((redis) => redis.config('SET', 'maxmemory', '1'))),
    async freeMemory() {
      // One that was started again since then has forgotten the limit.
      for (const server of [primary, replica]) {
        if (server?.isRunning) await server.command((redis) => redis.config('SET', 'maxmemory', '0'))
      }
    },
    killSubscribers: async () =>
      void (await primary.command((redis) => redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))),
  }
}

async function roleOf(server: RedisProcess): Promise<string | undefined> {
  return (await server.replication()).get('role')
}

/** The replica is connected and has, but for what is on its way, what the primary has. */
async function isInStep(primary: RedisProcess): Promise<boolean> {
  const replication = await primary.replication()
  const told = /state=(\w+),offset=(\d+)/.exec(replication.get('slave0') ?? '')
  const behind = Number(replication.get('master_repl_offset')) - Number(told?.[2])
  return told?.[1] === 'online' && behind < 1_000_000
}
