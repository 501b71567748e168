import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chown, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createSilentLog, startEmbeddedPostgres } from '@inferq/runtime'

/** A database server of a test's own. */
export interface DatabaseServer {
  readonly url: string
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
    async crash() {
      if (server.pid !== undefined) process.kill(server.pid, 'SIGKILL')
    },
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function findPostgres(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort().reverse() : []
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ]
  return directories.find(
    (directory) => existsSync(join(directory, 'initdb')) && existsSync(join(directory, 'postgres')),
  )
}

/** The server refuses to run as root: then it runs as the user `postgres`. */
function serverUser(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
  if (uid === undefined || gid === undefined) throw new Error('run as root, PostgreSQL needs a user postgres')
  return { uid: Number(uid), gid: Number(gid) }
}

async function startPostgres(binDir: string): Promise<DatabaseServer> {
  const user = serverUser()
  const directory = await mkdtemp(join(tmpdir(), 'inferq-store-'))
  const dataDir = join(directory, 'data')
  await mkdir(dataDir, { mode: 0o700 })
  if (user.uid !== undefined && user.gid !== undefined) {
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
