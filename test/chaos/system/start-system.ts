import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSilentLog, findRedisServer, spawnChild } from '@inferq/runtime'
import { findPostgres } from '@inferq/testkit/postgres-binaries'
import { type ProxyTarget, startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import { startSurely } from '../faults/members.ts'
import { defaultConfig } from './config.ts'
import type { Database } from './database.ts'
import { cleanEnvironment } from './environment.ts'
import { createMember } from './member.ts'
import { startPglite } from './pglite.ts'
import { choosePorts } from './ports.ts'
import { createPostgresUnderFire } from './postgres-under-fire.ts'
import { startPostgresql } from './postgresql.ts'
import { createRedisProcess, type RedisProcess } from './redis-process.ts'
import { createRedisUnderFire } from './redis-under-fire.ts'
import type { Ingress, Member, MemberKind, System, SystemOptions } from './system.ts'
import { startUpstream } from './upstream.ts'

const checkout = join(import.meta.dirname, '../../..')
const cacheDir = join(checkout, '.inferq/cache')

/** Undone in reverse order, each whatever became of the others. */
type Undo = () => Promise<unknown>

/**
 * Starts everything, two of each service by default, and resolves when all are ready. What cannot be started leaves nothing
 * behind. All processes end with this one, however it ends; the folder of what they keep goes at `stop`.
 */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const undo: Undo[] = []
  const stop = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  }
  try {
    return await startAll(options, undo, stop)
  } catch (cause) {
    await stop().catch(() => {})
    throw cause
  }
}

async function startAll(options: SystemOptions, undo: Undo[], stop: () => Promise<void>): Promise<System> {
  const { root = checkout, replica = true, config = defaultConfig } = options
  const { ingresses = 2, workers = 2, controllers = 2 } = options
  const env = cleanEnvironment()
  const folder = await mkdtemp(join(tmpdir(), 'inferq-chaos-'))
  undo.push(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  // PostgreSQL may run as another user, in a folder of its own in it.
  await chmod(folder, 0o711)

  const memberCount = ingresses + workers + controllers
  const ports = (await choosePorts(4 + ingresses + 2 * memberCount)).values()
  const nextPort = (): number => Number(ports.next().value)
  const configFile = join(folder, 'inferq.yaml')
  await writeFile(configFile, config)

  const starting = [
    startRedis({ folder, env, ports: [nextPort(), nextPort()], replica, undo }),
    startDatabase({ folder, env, embedded: options.postgres === 'embedded', undo }),
    startUpstream({ folder, port: nextPort(), proxyPort: nextPort(), env }).then((upstream) => {
      undo.push(() => upstream.stop())
      return upstream
    }),
  ] as const
  await Promise.allSettled(starting)
  const [redisServers, database, upstream] = await Promise.all(starting)

  const main = join(root, 'packages/cli/src/main.ts')
  const masterKey = `sk-chaos-${randomBytes(12).toString('hex')}`
  const serviceEnv: NodeJS.ProcessEnv = {
    NODE_COMPILE_CACHE: join(checkout, 'node_modules/.cache/compile'),
    ...env,
    INFERQ_CONFIG: configFile,
    INFERQ_MASTER_KEY: masterKey,
    INFERQ_DATA_DIR: folder,
    // Balancers there are none; who is refused asks another ingress.
    INFERQ_STOP_DELAY_S: '1',
    SIMULATOR: `http://127.0.0.1:${upstream.proxy.port}`,
  }
  await migrate(main, { ...serviceEnv, DATABASE_URL: database.url })

  const redisWays: TcpProxy[] = []
  const openWay = async (target: ProxyTarget): Promise<TcpProxy> => {
    const proxy = await startTcpProxy(target, { port: nextPort() })
    undo.push(() => proxy.stop())
    return proxy
  }
  const makeMember = async (kind: MemberKind, number: number): Promise<Ingress> => {
    const redis = await openWay({ port: redisServers.first.port })
    redisWays.push(redis)
    const postgres = kind === 'worker' ? null : await openWay(database.target)
    const port = kind === 'ingress' ? nextPort() : 0
    const member = createMember({
      ...{ name: `${kind}-${number}`, kind, redis, postgres, main },
      args: kind === 'ingress' ? ['--port', String(port)] : [],
      env: {
        ...serviceEnv,
        REDIS_URL: `redis://127.0.0.1:${redis.port}`,
        ...(postgres === null ? {} : { DATABASE_URL: `postgres://postgres@127.0.0.1:${postgres.port}/postgres` }),
      },
    })
    undo.push(() => member.signal('SIGKILL'))
    return Object.defineProperty(member, 'url', { value: `http://127.0.0.1:${port}`, enumerable: true }) as Ingress
  }
  const make = (kind: MemberKind, count: number): Promise<Ingress[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => makeMember(kind, index + 1)))
  const members = {
    ingresses: await make('ingress', ingresses),
    workers: (await make('worker', workers)) as readonly Member[],
    controllers: (await make('controller', controllers)) as readonly Member[],
  }
  await Promise.all(Object.values(members).flatMap((group) => group.map((member) => startSurely(member))))
  return {
    masterKey,
    ...members,
    redis: createRedisUnderFire({
      ...redisServers,
      leadTo: ({ port }) => {
        for (const way of redisWays) way.retarget({ port })
      },
    }),
    postgres: createPostgresUnderFire(database),
    upstream,
    stop,
  }
}

async function startRedis(options: {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly ports: readonly [number, number]
  readonly replica: boolean
  readonly undo: Undo[]
}): Promise<{ readonly first: RedisProcess; readonly second: RedisProcess | undefined }> {
  const { folder, env, ports, replica, undo } = options
  const server = await findRedisServer({ cacheDir, env, log: createSilentLog() })
  const [first, second] = ports.map((port) =>
    createRedisProcess({ server, port, dataDir: join(folder, `redis-${port}`), env }),
  ) as [RedisProcess, RedisProcess]
  for (const process of [first, second]) undo.push(() => process.stop('SIGKILL'))
  await first.start(null)
  if (!replica) return { first, second: undefined }
  await second.start(first.port)
  return { first, second }
}

async function startDatabase(options: {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly embedded: boolean
  readonly undo: Undo[]
}): Promise<Database> {
  const { folder, env, embedded, undo } = options
  const own = join(folder, 'postgres')
  await mkdir(own, { mode: 0o700 })
  const binDir = embedded ? undefined : findPostgres()
  const database =
    binDir === undefined
      ? await startPglite({ dataDir: own, cacheDir, env })
      : await startPostgresql({ binDir, folder: own, env })
  undo.push(() => database.stop('SIGKILL'))
  return database
}

async function migrate(main: string, env: NodeJS.ProcessEnv): Promise<void> {
  const child = await spawnChild({
    name: 'migrate',
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', main, 'migrate'],
    env,
    log: createSilentLog(),
  })
  const { code } = await child.exited
  if (code !== 0) throw new Error(`the database cannot be migrated: ${child.recentLines().join('\n')}`)
}
