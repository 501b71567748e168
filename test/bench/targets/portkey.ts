import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { answers, freePort, partOf, startProgram } from './program.ts'
import { type Surroundings, type Target, TargetUnavailable } from './target.ts'

const version = '1.15.2'
/** Later ones break this version of the gateway ("Failed to find Response internal state key" on every request). */
const nodeServerVersion = '1.13.5'
const installTimeoutMs = 180_000
const program = join('node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js')

/**
 * The npm package @portkey-ai/gateway, told by headers to call the simulator as an OpenAI server of its own
 * (https://portkey.ai/docs, "custom host"). Throws TargetUnavailable where it cannot be installed.
 */
export async function startPortkey(surroundings: Surroundings): Promise<Target> {
  const { folder, environment, upstreamUrl } = surroundings
  const installed = await install(surroundings)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const gateway = await startProgram({
    name: 'portkey',
    args: [join(installed, program), `--port=${port}`, '--headless'],
    environment: { ...environment, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1' },
    folder,
    ready: () => answers(`${url}/`),
  })
  const headers = {
    authorization: 'Bearer unused',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstreamUrl}/v1`,
  }
  return {
    name: 'portkey',
    description: `@portkey-ai/gateway ${version} with @hono/node-server ${nodeServerVersion}, one process; keeps nothing`,
    version,
    endpoint: { name: 'portkey', baseUrl: `${url}/v1`, headers },
    processes: [{ label: 'portkey', pid: gateway.pid }],
    parts: [partOf('gateway', gateway)],
    stop: gateway.stop,
  }
}

/** Into the cache, once: it is no dependency of inferq. */
async function install({ cacheFolder, environment }: Surroundings): Promise<string> {
  const place = join(cacheFolder, `portkey-${version}`)
  if (existsSync(join(place, program))) return place
  const fresh = `${place}.${process.pid}`
  mkdirSync(fresh, { recursive: true })
  const manifest = {
    private: true,
    dependencies: { '@portkey-ai/gateway': version },
    overrides: { '@hono/node-server': nodeServerVersion },
  }
  writeFileSync(join(fresh, 'package.json'), JSON.stringify(manifest, null, 2))
  try {
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
    await promisify(execFile)('npm', args, { cwd: fresh, env: environment, timeout: installTimeoutMs })
    rmSync(place, { recursive: true, force: true })
    renameSync(fresh, place)
  } catch (cause) {
    rmSync(fresh, { recursive: true, force: true })
    throw new TargetUnavailable(`npm install @portkey-ai/gateway@${version} failed`, { cause })
  }
  return place
}
