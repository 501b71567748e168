import { createSilentLog, type EmbeddedPostgres, startEmbeddedPostgres } from '@inferq/runtime'
import type { Database } from './database.ts'
import { sql } from './sql.ts'

const log = createSilentLog()

/** PGlite as `inferq up` runs it, started. */
export async function startPglite(options: {
  readonly dataDir: string
  readonly cacheDir: string
  readonly env: NodeJS.ProcessEnv
}): Promise<Database> {
  // One that was paused is not to be replaced by its supervisor.
  const open = (): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ ...options, log, silentAfterMs: 600_000 })
  let server: EmbeddedPostgres | undefined = await open()
  const { url, socketPath } = server

  const signal = (name: NodeJS.Signals): void => {
    if (server?.pid !== undefined) process.kill(server.pid, name)
  }
  const stop = async (how: 'SIGINT' | 'SIGKILL'): Promise<void> => {
    const running = server
    if (running === undefined) return
    signal('SIGCONT')
    // Killed in the same turn in which its supervisor is told to stop, it is not started again.
    if (how === 'SIGKILL') signal('SIGKILL')
    server = undefined
    await running.stop()
  }
  const start = async (): Promise<void> => {
    server ??= await open()
  }
  return {
    kind: 'pglite',
    url,
    target: { path: socketPath },
    start,
    stop,
    send: signal,
    async restartReadOnly() {
      await stop('SIGINT')
      await start()
      // One session lies under all connections, so this holds for all.
      await sql(url, 'SET default_transaction_read_only = on')
    },
    async allowWrites() {
      await sql(url, 'SET default_transaction_read_only = off')
    },
  }
}
