import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, createSilentLog, spawnChild } from '@inferq/runtime'
import { postgresUser } from '@inferq/testkit/postgres-binaries'
import { until } from '@inferq/testkit/until'
import type { Database } from './database.ts'
import { descendantsOf } from './descendants.ts'
import { sql } from './sql.ts'

const log = createSilentLog()
const startWithinMs = 60_000
/** Read at every start and reload; what it says is what differs for a moment. */
const momentFile = 'moment.conf'

/** PostgreSQL on a unix socket in `folder`, made and started. Its settings are its defaults. */
export async function startPostgresql(options: {
  readonly binDir: string
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
}): Promise<Database> {
  const { binDir, folder, env } = options
  const user = postgresUser()
  const dataDir = join(folder, 'data')
  const logFile = join(folder, 'log')
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(folder)}`
  await makeCluster({ binDir, folder, dataDir, env, user })
  let child: Child | undefined

  const launch = async (): Promise<Child> =>
    spawnChild({
      name: 'postgres',
      command: '/bin/sh',
      // Its output goes to a file: a pipe that nobody reads for a while would stop it.
      args: ['-c', 'exec "$@" >>"$0" 2>&1', logFile, join(binDir, 'postgres'), '-D', dataDir],
      env,
      workingDir: folder,
      log,
      orphanGraceSeconds: 2,
      ...(user === undefined ? {} : { user }),
    })
  const start = async (): Promise<void> => {
    if (child?.isRunning()) return
    const answers = async (): Promise<boolean> => {
      // After a SIGKILL what is left of the one before keeps it from starting for a moment.
      if (!child?.isRunning()) child = await launch()
      return sql(url, 'SELECT 1').then(
        () => true,
        () => false,
      )
    }
    const what = 'PostgreSQL answers'
    await until(answers, { timeoutMs: startWithinMs, everyMs: 20, what }).catch(async (cause) => {
      throw new Error(`${(await readFile(logFile, 'utf8')).slice(-2_000)}`, { cause })
    })
  }
  const send = (signal: 'SIGSTOP' | 'SIGCONT'): void => {
    if (!child?.isRunning()) return
    // Its first process before the others, so that it starts no further ones meanwhile.
    child.kill(signal)
    for (const pid of descendantsOf(child.pid)) {
      try {
        process.kill(pid, signal)
      } catch {
        // It has ended.
      }
    }
  }
  const stop = async (signal: 'SIGINT' | 'SIGKILL'): Promise<void> => {
    if (child === undefined) return
    send('SIGCONT')
    child.kill(signal)
    await child.exited
  }
  await start()
  return {
    kind: 'postgresql',
    url,
    target: { path: join(folder, '.s.PGSQL.5432') },
    start,
    stop,
    send,
    async restartReadOnly() {
      await writeFile(join(dataDir, momentFile), 'default_transaction_read_only = on\n')
      await stop('SIGINT')
      await start()
    },
    async allowWrites() {
      await writeFile(join(dataDir, momentFile), '')
      child?.kill('SIGHUP')
      const isWritable = async (): Promise<boolean> =>
        (await sql(url, 'SHOW default_transaction_read_only'))[0]?.['default_transaction_read_only'] === 'off'
      await until(isWritable, { timeoutMs: startWithinMs, everyMs: 20, what: 'PostgreSQL takes writes' })
    },
  }
}

async function makeCluster(options: {
  readonly binDir: string
  readonly folder: string
  readonly dataDir: string
  readonly env: NodeJS.ProcessEnv
  readonly user: { readonly uid: number; readonly gid: number } | undefined
}): Promise<void> {
  const { binDir, folder, dataDir, env, user } = options
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  if (user !== undefined) for (const path of [folder, dataDir]) await chown(path, user.uid, user.gid)
  const args = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N']
  const initdb = spawn(join(binDir, 'initdb'), args, { ...user, env, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  initdb.stderr.on('data', (data) => {
    complaint += data
  })
  const [code] = await once(initdb, 'close')
  if (code !== 0) throw new Error(`initdb failed: ${complaint}`)
  const settings = [
    `listen_addresses = ''`,
    `unix_socket_directories = '${folder}'`,
    'max_connections = 200',
    `include_if_exists = '${momentFile}'`,
  ]
  await appendFile(join(dataDir, 'postgresql.conf'), `\n${settings.join('\n')}\n`)
}
