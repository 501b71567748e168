import { join, resolve } from 'node:path'
import type { Child } from '../child-process.ts'
import { type Clock, createSystemClock } from '../clock.ts'
import { createDeadline, type Deadline } from '../deadline.ts'
import { processVariables } from '../environment.ts'
import { errorMessage, RuntimeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { ChildStartError, spawnNodeChild } from '../node-child.ts'
import { createPeriodicService } from '../periodic-service.ts'
import type { Service } from '../service.ts'
import { prepareSocketDir } from '../socket-dir.ts'
import { type ChildState, createSupervisor } from '../supervisor.ts'
import { type CheckpointOptions, usualCheckpoints } from './checkpoints.ts'
import type { PgliteChildOptions } from './pglite-child.ts'
import { probePostgres } from './postgres-probe.ts'

export interface EmbeddedPostgresOptions {
  /** Its own directory, e.g. `.inferq/postgres`; made if missing. */
  readonly dataDir: string
  readonly log: Log
  readonly clock?: Clock
  /** Where the template of a new database is kept. Default: `cache` beside the data directory. */
  readonly cacheDir?: string
  /** The child's environment. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv
  readonly onState?: (state: ChildState) => void
  /** A database that gives no answer to `SELECT 1` for this long is killed and started again. Default 60 s. */
  readonly silentAfterMs?: number
  /** How often it is asked. Default 5 s. */
  readonly probeIntervalMs?: number
  /** When what is in its log goes into its tables. Default: looked every 5 s, done after 32 MiB. */
  readonly checkpoints?: CheckpointOptions
}

/** A Postgres of our own (PGlite with pgvector), already started. As a Service its `start` does nothing more. */
export interface EmbeddedPostgres extends Service {
  /** For pg's Pool and for psql: `postgres://postgres@localhost/postgres?host=/…`, a unix socket, no password. */
  readonly url: string
  readonly socketPath: string
  readonly pid: number | undefined
  /** Ends it, closed cleanly. Without a deadline: within 15 s. */
  stop(deadline?: Deadline): Promise<void>
}

const socketName = '.s.PGSQL.5432'
const readyTimeoutMs = 60_000
const stopTimeoutMs = 15_000

/**
 * Starts PGlite in a child process behind a unix socket that only this user may open, and keeps it alive. Committed
 * rows survive the death of the child and of this process. It closes cleanly when this process dies in any way.
 * One session lies under all connections: write only what PgBouncer's transaction mode allows (see the README).
 * Throws: `data_dir_locked` when another inferq has the directory, `postgres_start_failed`.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, clock = createSystemClock(), env = processVariables() } = options
  const { silentAfterMs = 60_000, probeIntervalMs = 5_000, checkpoints = usualCheckpoints } = options
  const dataDir = resolve(options.dataDir)
  const socketDir = prepareSocketDir(dataDir, socketName)
  const socketPath = join(socketDir, socketName)
  const childOptions: PgliteChildOptions = {
    dataDir,
    socketPath,
    cacheDir: resolve(options.cacheDir ?? join(dataDir, '..', 'cache')),
    ownerPid: process.pid,
    maxConnections: 64,
    idleTimeoutMs: 15_000,
    checkpoints,
  }
  const spawn = (signal: AbortSignal): Promise<Child> =>
    spawnNodeChild({
      name: 'embedded-postgres',
      main: new URL('./pglite-child.ts', import.meta.url),
      args: [JSON.stringify(childOptions)],
      env,
      log,
      clock,
      readyTimeoutMs,
      signal,
    })

  const { onState } = options
  const supervisor = createSupervisor({ name: 'embedded-postgres', log, clock, spawn, ...(onState ? { onState } : {}) })
  const health = createPeriodicService({
    name: 'embedded-postgres-health',
    intervalMs: probeIntervalMs,
    timeoutMs: silentAfterMs + 1_000,
    log,
    clock,
    async run(signal) {
      if (supervisor.state !== 'up') return
      const { pid } = supervisor
      const answer = await probePostgres(socketPath, silentAfterMs, signal)
      const sick = answer === 'silent' || answer === 'absent'
      if (sick && !signal.aborted && supervisor.pid === pid) supervisor.replace(`its socket is ${answer}`)
    },
  })

  const startedAt = clock.monotonic()
  try {
    await supervisor.start()
  } catch (thrown) {
    throw startError(thrown)
  }
  await health.start()
  log.info({ dataDir, ms: Math.round(clock.monotonic() - startedAt) }, 'embedded-postgres-up')

  return {
    name: supervisor.name,
    url: `postgres://postgres@localhost/postgres?host=${encodeURIComponent(socketDir)}`,
    socketPath,
    get pid() {
      return supervisor.pid
    },
    start: () => supervisor.start(),
    async stop(deadline) {
      const own = createDeadline(clock, {
        timeoutMs: deadline?.timeoutMs ?? stopTimeoutMs,
        what: 'stopping embedded Postgres',
        parent: deadline?.signal,
      })
      try {
        await health.stop(own)
        await supervisor.stop(own)
      } finally {
        own.release()
      }
    },
  }
}

/** The child's lock error comes over a channel as a code: make it the same error the Redis side throws. */
function startError(thrown: unknown): RuntimeError {
  const detail: unknown = thrown instanceof ChildStartError ? thrown.detail : undefined
  const locked = typeof detail === 'object' && detail !== null && 'code' in detail && detail.code === 'data_dir_locked'
  return new RuntimeError(locked ? 'data_dir_locked' : 'postgres_start_failed', errorMessage(thrown), { cause: thrown })
}
