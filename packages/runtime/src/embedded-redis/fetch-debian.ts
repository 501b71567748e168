import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { FindOptions, RedisServer } from './find-server.ts'
import { serverNames, tryServer } from './find-server.ts'
import { runCommand } from './run-command.ts'

const stepTimeoutMs = 120_000
/** Works without root: no lock on the system's package state, and no change of user for downloads. */
const rootless = ['-o', 'Debug::NoLocking=true', '-o', 'APT::Sandbox::User=root']

/**
 * Debian and its kin: lets APT work out which packages a server lacks here, downloads those (no root, nothing
 * installed, no service started), unpacks them into `<cacheDir>/redis` and runs the server from there.
 * Gives the server, or why there is none.
 */
export async function fetchDebianServer(options: FindOptions): Promise<RedisServer | string> {
  const { env, log } = options
  const cacheDir = resolve(options.cacheDir)
  const home = join(cacheDir, 'redis')
  const kept = await openUnpacked(home, env)
  if (typeof kept !== 'string') return kept

  for (const tool of ['apt-get', 'dpkg-deb']) {
    const { ok } = await runCommand(tool, ['--version'], { env, timeoutMs: 10_000 })
    if (!ok) return `no ${tool} to fetch one with`
  }
  await mkdir(cacheDir, { recursive: true })
  const work = await mkdtemp(join(cacheDir, 'fetch-'))
  try {
    log.info({ into: home }, 'redis-fetch')
    const reasons = new Set<string>()
    for (const lists of ['system', 'fresh'] as const) {
      const aptOptions = lists === 'system' ? rootless : await freshLists(work, env)
      for (const name of serverNames) {
        const unpacked = await downloadAndUnpack(name, aptOptions, work, env)
        if (typeof unpacked === 'string') {
          reasons.add(unpacked)
          continue
        }
        const server = await openUnpacked(unpacked.dir, env)
        if (typeof server === 'string') {
          reasons.add(`${name} from ${unpacked.packages.join(', ')} ${server}`)
          continue
        }
        return await keep(unpacked.dir, home, env)
      }
    }
    return `fetching with apt-get failed: ${[...reasons].join('; ')}`
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Package lists of our own: for a machine whose lists were removed, as in container images. */
async function freshLists(work: string, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const lists = join(work, 'apt-lists')
  const cache = join(work, 'apt-cache')
  await mkdir(join(lists, 'partial'), { recursive: true })
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  const aptOptions = [...rootless, '-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`]
  await runCommand('apt-get', ['update', '-qq', ...aptOptions], { env, timeoutMs: stepTimeoutMs })
  return aptOptions
}

/** The folder with the server's package, and the packages it needs that this system lacks; or why not. */
async function downloadAndUnpack(
  name: string,
  aptOptions: readonly string[],
  work: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly dir: string; readonly packages: readonly string[] } | string> {
  const dir = join(work, name)
  const archives = join(work, `${name}-archives`)
  await rm(dir, { recursive: true, force: true })
  await rm(archives, { recursive: true, force: true })
  await mkdir(archives, { recursive: true })
  const run = (command: string, args: readonly string[]) =>
    runCommand(command, args, { env, timeoutMs: stepTimeoutMs, workingDir: archives })

  // `--reinstall` and the tools by name (Debian's server is a link into them): also where both are installed, out of PATH.
  const wanted = ['--reinstall', name.replace('-server', '-tools'), name]
  const plan = await run('apt-get', ['install', '--simulate', '--no-install-recommends', ...aptOptions, ...wanted])
  const packages = parseInstallPlan(plan.stdout)
  if (!plan.ok || packages.length === 0) return `${name}: ${lastLine(plan.stderr) || 'not offered by apt-get'}`

  const download = await run('apt-get', ['download', '-qq', ...aptOptions, ...packages])
  if (!download.ok) return `${name}: ${lastLine(download.stderr)}`
  for (const archive of (await readdir(archives)).filter((file) => file.endsWith('.deb'))) {
    const unpack = await run('dpkg-deb', ['-x', archive, dir])
    if (!unpack.ok) return `${archive}: ${lastLine(unpack.stderr)}`
  }
  return { dir, packages }
}

/** The packages that `apt-get install --simulate` would install: its lines `Inst <package> (<version> …)`. */
export function parseInstallPlan(output: string): readonly string[] {
  return [...output.matchAll(/^Inst ([a-z0-9][a-z0-9+.:-]*) /gm)].flatMap(([, name]) => (name ? [name] : []))
}

/** The server in an unpacked folder, with the folders of its libraries; or why it will not do. */
async function openUnpacked(home: string, env: NodeJS.ProcessEnv): Promise<RedisServer | string> {
  const libraryDirs = await findLibraryDirs(home)
  const libraryPath = [...libraryDirs, env['LD_LIBRARY_PATH'] ?? ''].filter(Boolean).join(':')
  const reasons: string[] = []
  for (const name of serverNames) {
    const server = await tryServer(join(home, 'usr', 'bin', name), { LD_LIBRARY_PATH: libraryPath }, env)
    if (typeof server !== 'string') return server
    reasons.push(server)
  }
  return reasons.join('; ')
}

async function findLibraryDirs(home: string): Promise<readonly string[]> {
  const files = await readdir(home, { recursive: true, withFileTypes: true }).catch(() => [])
  return [...new Set(files.filter((file) => /\.so(\.|$)/.test(file.name)).map((file) => file.parentPath))]
}

/** Moves what was unpacked to its place, unless another inferq put a working one there meanwhile. */
async function keep(unpacked: string, home: string, env: NodeJS.ProcessEnv): Promise<RedisServer | string> {
  const there = await openUnpacked(home, env)
  if (typeof there !== 'string') return there
  await rm(home, { recursive: true, force: true })
  await rename(unpacked, home).catch((): void => {})
  return await openUnpacked(home, env)
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1)?.slice(0, 300) ?? ''
}
