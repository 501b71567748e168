import { mkdir, rm } from 'node:fs/promises'
import {
  type Child,
  closeRedis,
  createRedis,
  createSilentLog,
  probeRedis,
  type Redis,
  type RedisServer,
  spawnChild,
} from '@inferq/runtime'
import { until } from '@inferq/testkit/until'

const log = createSilentLog()
const startWithinMs = 60_000
/** A server that is down or stands still answers nothing. */
const commandTimeoutMs = 20_000

/** A Redis server on a port and a data directory of its own, as it comes and goes. */
export interface RedisProcess {
  readonly port: number
  readonly url: string
  readonly isRunning: boolean
  /** Resolves when it answers; nothing when it runs. `primaryPort`: as the replica of that one. */
  start(primaryPort: number | null): Promise<void>
  /** Resolves when it is gone. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** What it has on disk. It must not run. */
  eraseData(): Promise<void>
  /** To a process that runs; nothing otherwise. */
  send(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** With a connection of its own. What it asks is answered within 20 s, or rejects. */
  command<T>(work: (redis: Redis) => Promise<T>): Promise<T>
  /** A field of INFO replication. */
  replication(): Promise<ReadonlyMap<string, string>>
}

export function createRedisProcess(options: {
  readonly server: RedisServer
  readonly port: number
  readonly dataDir: string
  readonly env: NodeJS.ProcessEnv
}): RedisProcess {
  const { server, port, dataDir, env } = options
  const url = `redis://127.0.0.1:${port}`
  let child: Child | undefined
  const isRunning = (): boolean => child?.isRunning() === true

  const command = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
    const redis = createRedis({ url, role: 'blocking', log, commandTimeoutMs })
    try {
      return await work(redis)
    } finally {
      await closeRedis(redis)
    }
  }
  return {
    port,
    url,
    get isRunning() {
      return isRunning()
    },
    async start(primaryPort) {
      if (isRunning()) return
      await mkdir(dataDir, { recursive: true })
      const started = await spawnChild({
        name: `redis-${port}`,
        command: server.path,
        args: serverArguments(port, dataDir, primaryPort),
        env: { ...env, ...server.env },
        workingDir: dataDir,
        log,
        orphanGraceSeconds: 2,
      })
      child = started
      const answers = async (): Promise<boolean> => {
        if (!started.isRunning())
          throw new Error(`Redis does not start: ${started.recentLines().slice(-5).join(' | ')}`)
        return (await probeRedis({ host: '127.0.0.1', port }, 1_000)) === 'ready'
      }
      await until(answers, { timeoutMs: startWithinMs, everyMs: 10, what: 'Redis answers' })
    },
    async stop(signal) {
      if (child === undefined) return
      // A process that stands still would take no SIGTERM.
      if (isRunning()) child.kill('SIGCONT')
      child.kill(signal)
      await child.exited
    },
    eraseData: () => rm(dataDir, { recursive: true, force: true }),
    send: (signal) => child?.kill(signal),
    command,
    async replication() {
      const text = await command((redis) => redis.info('replication'))
      const fields = text.split('\r\n').filter((line) => line.includes(':'))
      return new Map(fields.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
    },
  }
}

function serverArguments(port: number, dataDir: string, primaryPort: number | null): readonly string[] {
  const settings: readonly (readonly string[])[] = [
    ['bind', '127.0.0.1'],
    ['port', String(port)],
    ['dir', dataDir],
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    ['save', ''],
    ['maxmemory-policy', 'noeviction'],
    ['daemonize', 'no'],
    ['repl-diskless-sync-delay', '0'],
    // One that was stopped in order waits so long for its replica.
    ['shutdown-timeout', '2'],
    ...(primaryPort === null ? [] : [['replicaof', '127.0.0.1', String(primaryPort)]]),
  ]
  return settings.flatMap(([name, ...values]) => [`--${name}`, ...values])
}
