import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { RuntimeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { fetchDebianServer } from './fetch-debian.ts'
import { runCommand } from './run-command.ts'

/** A Redis or Valkey server program that was seen to run here. */
export interface RedisServer {
  readonly path: string
  readonly version: string
  /** What the program needs in its environment besides the usual: where its libraries are. */
  readonly env: Readonly<Record<string, string>>
}

export interface FindOptions {
  /** Where a fetched server is kept for the next time. */
  readonly cacheDir: string
  readonly env: NodeJS.ProcessEnv
  readonly log: Log
}

export const serverNames = ['redis-server', 'valkey-server'] as const
const minMajorVersion = 7

/**
 * A server from PATH, else one fetched earlier, else fetched now where the system's package tools allow that without
 * root. Throws `redis_binary_missing`, saying what was tried and what to do.
 */
export async function findRedisServer(options: FindOptions): Promise<RedisServer> {
  const tried: string[] = []
  for (const name of serverNames) {
    for (const dir of (options.env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
      const path = join(dir, name)
      if (!(await isExecutable(path))) continue
      const server = await tryServer(path, {}, options.env)
      if (typeof server !== 'string') return server
      tried.push(`${path} ${server}`)
    }
  }
  if (tried.length === 0) tried.push(`no ${serverNames.join(' or ')} in PATH`)

  const fetched = await fetchDebianServer(options)
  if (typeof fetched !== 'string') return fetched
  tried.push(fetched)
  throw new RuntimeError(
    'redis_binary_missing',
    `no Redis to embed (${tried.join('; ')}). Set REDIS_URL to a Redis of version ${minMajorVersion} or newer, or install one: ` +
      'apt-get install redis-server, dnf install valkey, apk add redis, brew install redis, or docker run -d -p 6379:6379 valkey/valkey',
  )
}

/** The server at this path, or why it will not do. */
export async function tryServer(
  path: string,
  extraEnv: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Promise<RedisServer | string> {
  const { ok, stdout, stderr } = await runCommand(path, ['--version'], {
    env: { ...env, ...extraEnv },
    timeoutMs: 5_000,
  })
  if (!ok) return `does not run: ${stderr.trim().slice(0, 200)}`
  const version = /\bv=(\d+(?:\.\d+)*)/.exec(stdout)?.[1]
  if (version === undefined) return `says no version: ${stdout.trim().slice(0, 100)}`
  if (Number.parseInt(version, 10) < minMajorVersion) return `is version ${version}, older than ${minMajorVersion}`
  return { path, version, env: extraEnv }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
