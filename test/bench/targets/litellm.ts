import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { models } from './models.ts'
import { answers, freePort, partOf, startProgram } from './program.ts'
import { type Surroundings, type Target, TargetUnavailable } from './target.ts'

/** Later ones ask for a certifi newer than some package indexes have. */
const version = '1.105.3'
const installTimeoutMs = 900_000
/** It imports a great deal of Python first: half a minute on a busy machine, more on a busier one. */
const startTimeoutMs = 600_000

/**
 * LiteLLM's proxy, the PyPI package litellm[proxy] in a virtual environment of its own, with the settings that its
 * documentation asks for in production (https://docs.litellm.ai/docs/proxy/prod): Uvicorn with a worker for each core,
 * a master key (without one it does not start in production mode), LITELLM_MODE=PRODUCTION (no .env file is read),
 * LITELLM_LOG=ERROR and no access lines, set_verbose off, json_logs on. For the comparison: no database, no cache, no
 * callbacks, no retries, and the model prices it brings instead of those it would fetch. So it checks the key of every
 * request, and records no usage: that goes into a database only.
 *
 * Throws TargetUnavailable where it cannot be installed.
 */
export async function startLitellm(surroundings: Surroundings): Promise<Target> {
  const { folder, environment, upstreamUrl } = surroundings
  const installed = await install(surroundings)
  const masterKey = `sk-bench-${randomBytes(24).toString('hex')}`
  const configFile = join(folder, 'litellm.json')
  writeFileSync(configFile, JSON.stringify(litellmConfig(upstreamUrl, masterKey), null, 2))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const workers = availableParallelism()
  const proxy = await startProgram({
    name: 'litellm',
    command: join(installed, 'bin', 'litellm'),
    args: ['--config', configFile, '--host', '127.0.0.1', '--port', String(port), ...workerFlags(workers)],
    environment: {
      ...environment,
      LITELLM_MODE: 'PRODUCTION',
      LITELLM_LOG: 'ERROR',
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      // Empty is off: compiled once, and kept beside the sources.
      PYTHONDONTWRITEBYTECODE: '',
      // So that what its workers say is in the log at once.
      PYTHONUNBUFFERED: '1',
    },
    folder,
    ready: async () => (await answers(`${url}/health/readiness`)) && startedWorkers(folder) >= workers,
    readyTimeoutMs: startTimeoutMs,
    wholeGroup: true,
  })
  return {
    name: 'litellm',
    description: describe(workers),
    version,
    endpoint: { name: 'litellm', baseUrl: `${url}/v1`, headers: { authorization: `Bearer ${masterKey}` } },
    // Its workers are its children.
    processes: [{ label: 'litellm', pid: proxy.pid }],
    parts: [partOf('gateway', proxy)],
    stop: proxy.stop,
  }
}

/** Uvicorn kills a worker that is silent for five seconds, even while it starts: on a busy machine none would ever be up. */
function workerFlags(workers: number): string[] {
  return ['--num_workers', String(workers), '--timeout_worker_healthcheck', '120']
}

/** One answers as soon as it can, while others still start: each of them says so when it has. */
function startedWorkers(folder: string): number {
  return readFileSync(join(folder, 'litellm.log'), 'utf8').split('Proxy initialized with Config').length - 1
}

function describe(workers: number): string {
  return (
    `litellm[proxy] ${version}, Uvicorn with ${workers} ${workers === 1 ? 'worker' : 'workers'}, its documented production ` +
    'settings (`LITELLM_MODE=PRODUCTION`, `LITELLM_LOG=ERROR`, a master key, `set_verbose: false`, `json_logs: true`); ' +
    'no database, no cache, no callbacks, no retries; keeps nothing'
  )
}

/** JSON is YAML too. */
function litellmConfig(upstreamUrl: string, masterKey: string): object {
  return {
    model_list: Object.values(models).map((name) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: `${upstreamUrl}/v1`, api_key: 'unused', max_retries: 0 },
    })),
    general_settings: { master_key: masterKey },
    litellm_settings: {
      request_timeout: 600,
      set_verbose: false,
      json_logs: true,
      num_retries: 0,
      callbacks: [],
    },
    router_settings: { num_retries: 0 },
  }
}

/** Into the cache, once (some 750 MB). A virtual environment cannot be moved: a mark says that it is whole. */
async function install({ cacheFolder, environment }: Surroundings): Promise<string> {
  const place = join(cacheFolder, `litellm-${version}`)
  const mark = join(place, 'installed')
  if (existsSync(mark)) return place
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { recursive: true })
  const run = (command: string, args: readonly string[]) =>
    promisify(execFile)(command, args, { cwd: place, env: environment, timeout: installTimeoutMs })
  try {
    await run('python3', ['-m', 'venv', place])
    const pip = ['install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:']
    await run(join(place, 'bin', 'pip'), [...pip, `litellm[proxy]==${version}`])
    writeFileSync(mark, '')
  } catch (cause) {
    rmSync(place, { recursive: true, force: true })
    throw new TargetUnavailable(`litellm[proxy] ${version} could not be installed with python3 and pip`, { cause })
  }
  return place
}
