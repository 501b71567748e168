import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { createSilentLog } from '@inferq/runtime'
import { inferqConfig, models, workedClasses } from './models.ts'
import { answers, freePort, type Program, partOf, startProgram } from './program.ts'
import type { Surroundings, Target } from './target.ts'

export interface InferqOptions extends Surroundings {
  /** The checkout whose code runs. */
  readonly root: string
  /** A Postgres to use instead of the embedded one. */
  readonly databaseUrl?: string | undefined
  /** Opens the inspector of ingress, worker and controller, for profiles and memory. */
  readonly inspect?: boolean
}

/** A process that can be looked into. */
export interface Inspected {
  readonly program: Program
  /** Port of its inspector; undefined: not opened. */
  readonly inspectPort: number | undefined
}

export interface InferqTarget extends Target {
  readonly redisUrl: string
  readonly ingress: Inspected
  readonly worker: Inspected
  readonly controller: Inspected
  /** Another ingress on the same Redis and Postgres, its inspector open. */
  startIngress(name: string): Promise<Inspected & { readonly baseUrl: string }>
}

/**
 * The whole of inferq as in production: ingress, worker and controller as a process each (`inferq ingress` and so on),
 * Redis with its append-only file synced every second, token log on, JSON log lines at `info` into files. Redis and
 * Postgres are the embedded ones, processes of their own as well.
 */
export async function startInferq(options: InferqOptions): Promise<InferqTarget> {
  const { root } = options
  const stops: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).toReversed()) await end()
  }
  try {
    return await startAll(options, stops, stop)
  } catch (cause) {
    await stop()
    throw new Error(`inferq at ${root} did not start: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

async function startAll(
  options: InferqOptions,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<InferqTarget> {
  const { root, folder, cacheFolder, upstreamUrl, inspect = false } = options
  const runtimeUrl = pathToFileURL(join(root, 'packages', 'runtime', 'src', 'index.ts')).href
  const runtime: typeof import('@inferq/runtime') = await import(runtimeUrl)
  const log = createSilentLog()

  const redis = await runtime.startEmbeddedRedis({ dataDir: join(folder, 'redis'), cacheDir: cacheFolder, log })
  stops.push(() => redis.stop())
  const postgresOptions = { dataDir: join(folder, 'postgres'), cacheDir: cacheFolder, log }
  const postgres = options.databaseUrl === undefined ? await runtime.startEmbeddedPostgres(postgresOptions) : undefined
  if (postgres !== undefined) stops.push(() => postgres.stop())

  const masterKey = `sk-bench-${randomBytes(12).toString('hex')}`
  const configFile = join(folder, 'inferq.json')
  mkdirSync(folder, { recursive: true })
  writeFileSync(configFile, JSON.stringify(inferqConfig(upstreamUrl), null, 2))
  const main = join(root, 'packages', 'cli', 'src', 'main.ts')
  const environment: NodeJS.ProcessEnv = {
    ...options.environment,
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    REDIS_URL: redis.url,
    DATABASE_URL: postgres?.url ?? options.databaseUrl,
    INFERQ_DATA_DIR: folder,
    INFERQ_MASTER_KEY: masterKey,
  }
  const headers = { authorization: `Bearer ${masterKey}` }
  await promisify(execFile)(process.execPath, [main, 'migrate', '--config', configFile], { env: environment })

  const run = async (
    name: string,
    args: readonly string[],
    ready: () => Promise<boolean>,
    open: boolean,
    more: NodeJS.ProcessEnv = {},
  ): Promise<Inspected> => {
    const inspectPort = open ? await freePort() : undefined
    const flags = inspectPort === undefined ? [] : [`--inspect=127.0.0.1:${inspectPort}`]
    const program = await startProgram({
      name,
      args: [...nodeFlags(main), ...flags, main, ...args, '--config', configFile],
      environment: { ...environment, ...more },
      folder,
      ready,
    })
    stops.push(program.stop)
    return { program, inspectPort }
  }
  const startIngress = async (name: string, open = true): Promise<Inspected & { readonly baseUrl: string }> => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const ready = (): Promise<boolean> => answers(`${url}/health/readiness`, headers)
    return { ...(await run(name, ['ingress', '--port', String(port)], ready, open)), baseUrl: `${url}/v1` }
  }

  const ingress = await startIngress('ingress', inspect)
  const completes = (): Promise<boolean> => complete(ingress.baseUrl, headers)
  const worker = await run('worker', ['worker', '--classes', workedClasses.join(',')], completes, inspect)
  const metricsPort = String(await freePort())
  const lives = (): Promise<boolean> => answers(`http://127.0.0.1:${metricsPort}/metrics`)
  const controller = await run('controller', ['controller'], lives, inspect, { INFERQ_METRICS_PORT: metricsPort })

  const processes = [
    { label: 'ingress', pid: ingress.program.pid },
    { label: 'worker', pid: worker.program.pid },
    { label: 'controller', pid: controller.program.pid },
    ...(redis.pid === undefined ? [] : [{ label: 'redis', pid: redis.pid }]),
    ...(postgres?.pid === undefined ? [] : [{ label: 'postgres', pid: postgres.pid }]),
  ]
  return {
    name: 'inferq',
    description:
      'ingress, worker and controller as a process each; ' +
      `Redis ${redis.version} (append-only file, synced every second); token log on; ` +
      (postgres === undefined ? 'Postgres as given' : 'embedded Postgres (PGlite)'),
    version: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    endpoint: { name: 'inferq', baseUrl: ingress.baseUrl, headers },
    processes,
    parts: [partOf('worker', worker.program), partOf('ingress', ingress.program)],
    redisUrl: redis.url,
    ingress,
    worker,
    controller,
    startIngress: (name) => startIngress(name),
    stop,
  }
}

/** The flags of Node that the command asks for in its first line (`#!/usr/bin/env -S node --flag`), as when it is run itself. */
function nodeFlags(main: string): string[] {
  const [firstLine = ''] = readFileSync(main, 'utf8').split('\n', 1)
  return /^#!.*\bnode\s+(.*)$/.exec(firstLine)?.[1]?.split(/\s+/) ?? []
}

/** Whether a completion comes back: ingress, queue and worker all do their part. */
async function complete(baseUrl: string, headers: Readonly<Record<string, string>>): Promise<boolean> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ model: models.instant, messages: [{ role: 'user', content: 'Are you there?' }] }),
    signal: AbortSignal.timeout(5_000),
  })
  await response.arrayBuffer()
  return response.status === 200
}
