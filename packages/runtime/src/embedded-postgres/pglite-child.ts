// The child process that holds the embedded Postgres. Its one argument is a PgliteChildOptions as JSON.
import { chmodSync, rmSync } from 'node:fs'
import type { PGlite } from '@electric-sql/pglite'
import { createSystemClock } from '../clock.ts'
import { type DataDirLock, lockDataDirSoon } from '../data-dir-lock.ts'
import { RuntimeError } from '../errors.ts'
import { reportReady, reportStartFailure } from '../node-child.ts'
import { type CheckpointOptions, createCheckpoints } from './checkpoints.ts'
import { openCluster } from './cluster.ts'
import { createSessionServer, type SessionServer } from './session-server.ts'

export interface PgliteChildOptions {
  readonly dataDir: string
  readonly socketPath: string
  readonly cacheDir?: string
  /** The process to name when the data directory is taken. */
  readonly ownerPid: number
  readonly maxConnections: number
  readonly idleTimeoutMs: number
  readonly checkpoints: CheckpointOptions
}

/** How long the database of a killed inferq may take to close before this one gives up. */
const orphanTimeoutMs = 15_000

async function main(options: PgliteChildOptions): Promise<void> {
  const clock = createSystemClock()
  const lock = await lockDataDirSoon(options.dataDir, {
    clock,
    timeoutMs: orphanTimeoutMs,
    ownerPid: options.ownerPid,
  })
  const database = await openCluster(options.dataDir, options.cacheDir)
  rmSync(options.socketPath, { force: true })
  const server = createSessionServer({
    database,
    socketPath: options.socketPath,
    maxConnections: options.maxConnections,
    idleTimeoutMs: options.idleTimeoutMs,
    upkeep: createCheckpoints(database, clock, options.checkpoints),
  })
  await server.start()
  chmodSync(options.socketPath, 0o600)

  let closing = false
  const close = (): void => {
    if (closing) return
    closing = true
    closeAll(server, database, lock).then(
      () => process.exit(0),
      (thrown: unknown) => {
        console.error(thrown)
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', close)
  process.on('SIGINT', close)
  reportReady()
}

async function closeAll(server: SessionServer, database: PGlite, lock: DataDirLock): Promise<void> {
  await server.stop()
  await database.close()
  lock.release()
}

try {
  const options: PgliteChildOptions = JSON.parse(process.argv[2] ?? '{}')
  await main(options)
} catch (thrown) {
  reportStartFailure(thrown, thrown instanceof RuntimeError ? { code: thrown.code } : null)
  console.error(thrown)
  process.exitCode = 1
  process.disconnect?.()
}
