import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chown, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSilentLog, startEmbeddedPostgres } from '@inferq/runtime'
import { findPostgres, postgresUser } from '@inferq/testkit/postgres-binaries'

/** A database server of a test's own. */
export interface DatabaseServer {
  readonly url: string
  /** Its unix socket, for a proxy. */
  readonly socketPath: string
  /** Stops every process of it where it is, so that it takes connections and answers nothing; and lets it go on. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Kills it without warning, and starts it again on the same data (PGlite's supervisor does). */
  crash(): Promise<void>
  stop(): Promise<void>
}

export interface DatabaseKind {
  readonly name: string
  start(): Promise<DatabaseServer>
}

/** PGlite always; PostgreSQL where its binaries are installed, else a line says that it is left out. */
export function databaseKinds(): readonly DatabaseKind[] {
  const binDir = findPostgres()
  if (binDir === undefined) console.log('No PostgreSQL binaries found: the store is tested on PGlite alone.')
  return [
    { name: 'PGlite', start: startPglite },
    ...(binDir === undefined ? [] : [{ name: 'PostgreSQL', start: () => startPostgres(binDir) }]),
  ]
}

async function startPglite(): Promise<DatabaseServer> {
  const directory = await mkdtemp(join(tmpdir(), 'inferq-store-'))
  const server = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    cacheDir: join(import.meta.dirname, '../../../../.inferq/cache'),
    log: createSilentLog(),
  })
  return {
    url: server.url,
    socketPath: server.socketPath,
    pause: async () => signalAll('SIGSTOP', server.pid),
    resume: async () => signalAll('SIGCONT', server.pid),
    async crash() {
      if (server.pid !== undefined) process.kill(server.pid, 'SIGKILL')
    },
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function startPostgres(binDir: string): Promise<DatabaseServer> {
  const user = postgresUser()
  const directory = await mkdtemp(join(tmpdir(), 'inferq-store-'))
  const dataDir = join(directory, 'data')
  await mkdir(dataDir, { mode: 0o700 })
  if (user !== undefined) {
    await chown(directory, user.uid, user.gid)
    await chown(dataDir, user.uid, user.gid)
  }
  // An undrained pipe freezes it: its output goes to a file.
  const output = await open(join(directory, 'log'), 'a')
  const launch = (program: string, args: readonly string[]) =>
    spawn(join(binDir, program), args, { ...user, cwd: directory, stdio: ['ignore', output.fd, output.fd] })

  const initdb = launch('initdb', ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'])
  const [code] = await once(initdb, 'exit')
  if (code !== 0) throw new Error(`initdb failed: ${readFileSync(join(directory, 'log'), 'utf8')}`)

  const startServer = () => {
    const settings = ['listen_addresses=', `unix_socket_directories=${directory}`, 'max_connections=100']
    const child = launch('postgres', ['-D', dataDir, ...settings.flatMap((setting) => ['-c', setting])])
    return { child, exited: once(child, 'exit') }
  }
  let server = startServer()
  return {
    url: `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`,
    socketPath: join(directory, '.s.PGSQL.5432'),
    pause: () => signalAll('SIGSTOP', server.child.pid),
    resume: () => signalAll('SIGCONT', server.child.pid),
    async crash() {
      // SIGQUIT is its "immediate shutdown": no checkpoint, recovery at the next start, and no child left behind.
      server.child.kill('SIGQUIT')
      await server.exited
      server = startServer()
    },
    async stop() {
      server.child.kill('SIGINT')
      await server.exited
      await output.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The server first: it then makes no further process. */
async function signalAll(signal: NodeJS.Signals, pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new Error('the server does not run')
  process.kill(pid, signal)
  for (const child of await childrenOf(pid)) process.kill(child, signal)
}

function childrenOf(pid: number): Promise<readonly number[]> {
  return new Promise((resolve) => {
    // It fails when there are none.
    execFile('pgrep', ['-P', `${pid}`], (_error, output) => resolve(output.split('\n').filter(Boolean).map(Number)))
  })
}
