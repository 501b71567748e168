import { join, resolve } from 'node:path'
import { type Child, spawnChild } from '../child-process.ts'
import { type Clock, createSystemClock } from '../clock.ts'
import { type DataDirLock, lockDataDir } from '../data-dir-lock.ts'
import { createDeadline, type Deadline } from '../deadline.ts'
import { processVariables } from '../environment.ts'
import { RuntimeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { probeRedis } from '../redis/probe.ts'
import type { Service } from '../service.ts'
import { prepareSocketDir } from '../socket-dir.ts'
import { type ChildState, createSupervisor } from '../supervisor.ts'
import { findRedisServer, type RedisServer } from './find-server.ts'

export interface EmbeddedRedisOptions {
  /** Its own directory, e.g. `.inferq/redis`; made if missing. */
  readonly dataDir: string
  readonly log: Log
  readonly clock?: Clock
  /** Where a fetched server is kept. Default: `cache` beside the data directory. */
  readonly cacheDir?: string
  /** The child's environment, whose PATH is searched. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv
  readonly onState?: (state: ChildState) => void
}

/** A Redis of our own, already started. As a Service its `start` does nothing more. */
export interface EmbeddedRedis extends Service {
  /** For createRedis: `redis+unix:///…/redis.sock`. */
  readonly url: string
  readonly socketPath: string
  readonly version: string
  readonly pid: number | undefined
  /** Ends it, everything written to disk. Without a deadline: within 15 s. */
  stop(deadline?: Deadline): Promise<void>
}

const readyTimeoutMs = 30_000
const orphanTimeoutMs = 15_000
const stopTimeoutMs = 15_000

/**
 * Starts Redis (or Valkey) as a child process on a unix socket, durable (AOF, fsync each second; every acknowledged
 * write is with the kernel, so no death of a process loses it), and keeps it alive. It stops cleanly when this
 * process dies in any way.
 * Throws: `data_dir_locked` when another inferq has the directory, `redis_binary_missing`, `redis_start_failed`.
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const { log, clock = createSystemClock(), env = processVariables() } = options
  const dataDir = resolve(options.dataDir)
  const lock = lockDataDir(dataDir)
  try {
    const cacheDir = options.cacheDir ?? join(dataDir, '..', 'cache')
    const server = await findRedisServer({ cacheDir, env, log })
    const socketPath = join(prepareSocketDir(dataDir, 'redis.sock'), 'redis.sock')
    await waitForOrphan(socketPath, clock)
    return await superviseRedis({ server, socketPath, dataDir, lock, log, clock, env, onState: options.onState })
  } catch (thrown) {
    lock.release()
    throw thrown
  }
}

/** A Redis of an inferq that was killed a moment ago may still be writing its last data: let it finish. */
async function waitForOrphan(socketPath: string, clock: Clock): Promise<void> {
  const startedAt = clock.monotonic()
  while ((await probeRedis({ path: socketPath }, 1_000)) !== 'absent') {
    if (clock.monotonic() - startedAt > orphanTimeoutMs) {
      throw new RuntimeError(
        'redis_start_failed',
        `an earlier Redis still answers on ${socketPath}; end that process first`,
      )
    }
    await clock.sleep(50)
  }
}

interface Parts {
  readonly server: RedisServer
  readonly socketPath: string
  readonly dataDir: string
  readonly lock: DataDirLock
  readonly log: Log
  readonly clock: Clock
  readonly env: NodeJS.ProcessEnv
  readonly onState: ((state: ChildState) => void) | undefined
}

async function superviseRedis(parts: Parts): Promise<EmbeddedRedis> {
  const { server, socketPath, dataDir, lock, log, clock, onState } = parts
  const startedAt = clock.monotonic()
  const supervisor = createSupervisor({
    name: 'embedded-redis',
    log,
    clock,
    spawn: (signal) => spawnRedis(parts, signal),
    ...(onState ? { onState } : {}),
  })
  await supervisor.start()
  log.info(
    { version: server.version, server: server.path, dataDir, ms: Math.round(clock.monotonic() - startedAt) },
    'embedded-redis-up',
  )
  return {
    name: supervisor.name,
    url: `redis+unix://${encodeURI(socketPath)}`,
    socketPath,
    version: server.version,
    get pid() {
      return supervisor.pid
    },
    start: () => supervisor.start(),
    async stop(deadline) {
      const own = createDeadline(clock, {
        timeoutMs: deadline?.timeoutMs ?? stopTimeoutMs,
        what: 'stopping embedded Redis',
        parent: deadline?.signal,
      })
      try {
        await supervisor.stop(own)
      } finally {
        own.release()
        lock.release()
      }
    },
  }
}

/** Starts the server and resolves when it answers. Leaves nothing behind on failure. */
async function spawnRedis(parts: Parts, signal: AbortSignal): Promise<Child> {
  const { server, socketPath, dataDir, log, clock, env } = parts
  const child = await spawnChild({
    name: 'embedded-redis',
    command: server.path,
    args: serverArguments(dataDir, socketPath),
    env: { ...env, ...server.env },
    workingDir: dataDir,
    log,
  })
  let silentSince = clock.monotonic()
  while (child.isRunning() && !signal.aborted && clock.monotonic() - silentSince < readyTimeoutMs) {
    const answer = await probeRedis({ path: socketPath }, 1_000)
    if (answer === 'ready') return child
    // Reading a large data set takes as long as it takes: only silence counts against it.
    if (answer === 'loading') silentSince = clock.monotonic()
    await clock.sleep(10)
  }
  child.kill('SIGKILL')
  await child.exited
  signal.throwIfAborted()
  const output = child.recentLines().slice(-5).join(' | ')
  throw new RuntimeError('redis_start_failed', `${server.path} did not become ready: ${output}`)
}

function serverArguments(dataDir: string, socketPath: string): readonly string[] {
  const settings: readonly (readonly [string, string])[] = [
    ['port', '0'],
    ['unixsocket', socketPath],
    ['unixsocketperm', '700'],
    ['dir', dataDir],
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    // Jobs come and go: at the default of 64 MB a busy queue would rewrite its file every few seconds.
    ['auto-aof-rewrite-min-size', '512mb'],
    // A job's record has few fields, and one of them is a whole request: keep it packed.
    ['hash-max-listpack-value', '8192'],
    ['save', ''],
    ['maxmemory-policy', 'noeviction'],
    ['daemonize', 'no'],
  ]
  return settings.flatMap(([name, value]) => [`--${name}`, value])
}
