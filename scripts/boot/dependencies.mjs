import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodePath, pnpmScript, root } from './paths.mjs'
import { run } from './run.mjs'
import { digest, readStamp, say } from './toolchain.mjs'

/**
 * Installs what the lock file says, unless the last install had the same lock file and manifests.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @param {{ checkOnly: boolean }} options
 * @returns {Promise<boolean>} whether the dependencies are in place; false only with `checkOnly`, which changes nothing
 */
export async function prepareDependencies(environment, { checkOnly }) {
  const stampFile = join(root, 'node_modules', '.inferq-stamp')
  const stamp = digest([...inputs().map((file) => readFileSync(file)), process.platform, process.arch])
  if (readStamp(stampFile) === stamp) return true
  if (checkOnly) return false

  say('installing dependencies')
  const args = [pnpmScript, 'install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn']
  // Without a terminal pnpm would refuse to replace a node_modules it does not like.
  args.push('--config.confirm-modules-purge=false')
  const code = await run(nodePath, args, { environment, cwd: root, stdio: ['ignore', 2, 2] })
  if (code !== 0) throw new Error(`pnpm install ended with ${code}`)
  writeFileSync(stampFile, stamp)
  return true
}

/** Everything that decides what ends up in the node_modules folders. */
function inputs() {
  const parents = ['packages', 'services', 'test']
    .map((name) => join(root, name))
    .filter((folder) => existsSync(folder))
  const rooms = parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
  const manifests = [root, join(root, 'test'), ...rooms.sort()].map((folder) => join(folder, 'package.json'))
  const fixed = ['pnpm-lock.yaml', 'pnpm-workspace.yaml'].map((name) => join(root, name))
  return [...fixed, ...manifests.filter((file) => existsSync(file))]
}
