import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSilentLog, spawnChild } from '@inferq/runtime'
import { findPostgres, postgresUser } from '@inferq/testkit/postgres-binaries'
import pg from 'pg'

/** A PostgreSQL server of the bench's own. */
export interface BenchPostgres {
  readonly url: string
  /** `PostgreSQL 15.10`. */
  readonly version: string
  readonly pid: number
  /** Runs a query and gives its one value. */
  value(sql: string): Promise<string>
  stop(): Promise<void>
}

const readyTimeoutMs = 30_000

/**
 * Starts PostgreSQL with its own defaults, so that every commit is on disk before it is answered. Undefined where its programs
 * are not installed.
 */
export async function startPostgres(folder: string): Promise<BenchPostgres | undefined> {
  const binDir = findPostgres()
  if (binDir === undefined) return undefined
  const home = join(folder, 'postgresql')
  const dataDir = join(home, 'data')
  mkdirSync(dataDir, { recursive: true })
  const user = postgresUser()
  if (user !== undefined) {
    // The bench's folder is closed to everybody else: the server, as another user, must get through it.
    chmodSync(folder, 0o711)
    for (const path of [home, dataDir]) chownSync(path, user.uid, user.gid)
  }
  const program = (name: string): string => join(binDir, name)
  const initArgs = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '-N', '--locale=C']
  execFileSync(program('initdb'), initArgs, { ...user, cwd: home, stdio: 'ignore' })
  const child = await spawnChild({
    name: 'postgres',
    command: program('postgres'),
    args: ['-D', dataDir, '-c', 'listen_addresses=', '-c', `unix_socket_directories=${home}`],
    env: {},
    workingDir: home,
    log: createSilentLog(),
    onLine: () => {},
    ...(user === undefined ? {} : { user }),
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGINT')
    await child.exited
  }
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(home)}`
  const value = async (sql: string): Promise<string> => {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      const { rows } = await client.query({ text: sql, rowMode: 'array' })
      return String(rows[0]?.[0])
    } finally {
      await client.end()
    }
  }
  const endsAt = performance.now() + readyTimeoutMs
  for (;;) {
    try {
      const version = `PostgreSQL ${await value('show server_version')}`
      return { url, version, pid: child.pid, value, stop }
    } catch (cause) {
      if (child.isRunning() && performance.now() < endsAt) {
        await sleep(100)
        continue
      }
      await stop()
      throw new Error(`PostgreSQL did not start: ${child.recentLines().at(-1) ?? String(cause)}`, { cause })
    }
  }
}
