import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Child,
  createSilentLog,
  createSystemClock,
  spawnNodeChild,
  startEmbeddedPostgres,
  startEmbeddedRedis,
} from '@inferq/runtime'
import { createSimulator, type Simulator, type SimulatorOptions } from '@inferq/simulator'
import type { Workplace } from '../session.ts'

/** One installation around simulated GPUs: ingress, controller and workers as a process each, embedded Redis and Postgres. */
export interface Rig {
  readonly simulator: Simulator
  /** A worker for these classes; gives what stops it. */
  startWorker(...classes: readonly string[]): Promise<() => Promise<void>>
  /** A request to the ingress, as the tenant. Rejects when there is no answer. */
  post(path: string, body: unknown, tenant?: string): Promise<Response>
  get(path: string): Promise<unknown>
  /** A file for a batch; gives its id. */
  upload(text: string): Promise<string>
  /** Jobs of a tenant, accepted in this order; gives their ids. */
  submit(jobs: readonly NativeJob[], tenant?: string): Promise<readonly string[]>
}

export interface NativeJob {
  readonly type: 'completion' | 'embedding'
  readonly tier?: 'priority' | 'default' | 'flex'
  readonly request: Readonly<Record<string, unknown>>
}

export interface RigOptions {
  readonly simulator: SimulatorOptions
  /** The configuration, given where the simulator listens. */
  config(simulatorUrl: string): object
}

/** What one call of jobs:batch takes. */
const jobsInCall = 500
const stopMs = 15_000

/** Runs `work` on a rig, and ends everything that was started, whatever happens. */
export async function withRig<T>(
  { root, environment }: Workplace,
  options: RigOptions,
  work: (rig: Rig) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'inferq-bench-gpu-'))
  const cacheDir = join(root, '.inferq', 'bench', 'cache')
  mkdirSync(cacheDir, { recursive: true })
  const log = createSilentLog()
  const clock = createSystemClock()
  const stops: (() => Promise<unknown>)[] = []
  try {
    const simulator = createSimulator(options.simulator)
    await simulator.start()
    stops.push(() => simulator.stop())
    const redis = await startEmbeddedRedis({ dataDir: join(folder, 'redis'), cacheDir, log })
    stops.push(() => redis.stop())
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), cacheDir, log })
    stops.push(() => postgres.stop())
    const configFile = join(folder, 'inferq.json')
    writeFileSync(configFile, JSON.stringify(options.config(simulator.url)))
    const masterKey = `sk-bench-${randomBytes(12).toString('hex')}`

    const start = async (name: string, args: readonly string[]): Promise<Child & { readonly detail: unknown }> => {
      const child = await spawnNodeChild({
        name,
        main: join(root, 'packages', 'cli', 'src', 'main.ts'),
        args: [name, ...args],
        execArgv: ['--disable-warning=ExperimentalWarning'],
        env: {
          PATH: environment['PATH'],
          HOME: environment['HOME'],
          NODE_ENV: 'production',
          REDIS_URL: redis.url,
          DATABASE_URL: postgres.url,
          INFERQ_CONFIG: configFile,
          INFERQ_MASTER_KEY: masterKey,
          INFERQ_DATA_DIR: folder,
          INFERQ_STOP_DELAY_S: '0',
        },
        log,
        clock,
        readyTimeoutMs: 30_000,
      })
      stops.push(() => end(child))
      return child
    }
    await start('controller', [])
    const ingress = await start('ingress', ['--port', '0'])
    const { url } = ingress.detail as { readonly url: string }
    const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' }

    const post: Rig['post'] = (path, body, tenant) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { ...headers, ...(tenant === undefined ? {} : { 'x-inferq-tenant': tenant }) },
        body: JSON.stringify(body),
      })
    return await work({
      simulator,
      async startWorker(...classes) {
        const worker = await start('worker', ['--classes', classes.join(',')])
        return () => end(worker)
      },
      post,
      async get(path) {
        return await (await fetch(`${url}${path}`, { headers })).json()
      },
      async upload(text) {
        const form = new FormData()
        form.set('purpose', 'batch')
        form.set('file', new Blob([text]), 'lines.jsonl')
        const { authorization } = headers
        const response = await fetch(`${url}/v1/files`, { method: 'POST', headers: { authorization }, body: form })
        return ((await response.json()) as { readonly id: string }).id
      },
      async submit(jobs, tenant) {
        const ids: string[] = []
        for (let first = 0; first < jobs.length; first += jobsInCall) {
          const response = await post('/v1/jobs:batch', { jobs: jobs.slice(first, first + jobsInCall) }, tenant)
          const body = (await response.json()) as { readonly data?: readonly { readonly id: string }[] }
          if (body.data === undefined)
            throw new Error(`jobs were not accepted: ${response.status} ${JSON.stringify(body)}`)
          ids.push(...body.data.map(({ id }) => id))
        }
        return ids
      },
    })
  } finally {
    for (const stop of stops.toReversed()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function end(child: Child): Promise<void> {
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), stopMs)
  await child.exited
  clearTimeout(late)
}
