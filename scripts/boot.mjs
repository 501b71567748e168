// From a fresh clone to a running command: brings Node and pnpm where the machine's own are too old or missing,
// installs the dependencies when they changed, then hands over.
//
//   node scripts/boot.mjs start|inferq|test|bench|chaos|check [arguments…]
//   node scripts/boot.mjs exec <command> [arguments…]     any command, with the toolchain first on PATH
//   node scripts/boot.mjs install                         prepare only
//
// Plain JavaScript without dependencies, because it has to run on Node 20.
import { join } from 'node:path'
import { prepareDependencies } from './boot/dependencies.mjs'
import { childEnvironment } from './boot/environment.mjs'
import { withLock } from './boot/lock.mjs'
import { nodePath, root } from './boot/paths.mjs'
import { findOnPath, handOver } from './boot/run.mjs'
import { prepareToolchain } from './boot/toolchain.mjs'

/** What each command runs, relative to the root; for `start` with the flags of Node that the first line of main.ts names. */
const program = {
  script: 'packages/cli/src/main.ts',
  flags: ['--max-semi-space-size=16', '--heap-growing-percent=50'],
}
const entryPoints = new Map([
  ['start', { ...program, args: ['up'] }],
  ['inferq', { ...program, args: [] }],
  ['test', { script: 'scripts/gate.ts', args: [], flags: [] }],
  ['check', { script: 'scripts/gate.ts', args: ['--checks-only'], flags: [] }],
  ['bench', { script: 'test/bench/main.ts', args: [], flags: [] }],
  ['chaos', { script: 'test/chaos/main.ts', args: [], flags: [] }],
])

async function main() {
  const [command = 'start', ...rest] = process.argv.slice(2)
  const entryPoint = entryPoints.get(command)
  const known = [...entryPoints.keys(), 'exec', 'install']
  if (!known.includes(command)) throw new Error(`unknown command "${command}"; one of ${known.join(', ')}`)

  const environment = childEnvironment()
  const isReady = await prepare(environment, { checkOnly: true })
  if (!isReady) await withLock(join(root, '.toolchain.lock'), () => prepare(environment, { checkOnly: false }))

  if (entryPoint) {
    const { script, args } = entryPoint
    const flags = ['--disable-warning=ExperimentalWarning', ...entryPoint.flags]
    return handOver(nodePath, [...flags, join(root, script), ...args, ...rest], environment)
  }
  if (command === 'install') return 0
  const [executable, ...args] = rest
  if (!executable) throw new Error('exec needs a command')
  return handOver(findOnPath(executable, environment), args, environment)
}

/**
 * @param {NodeJS.ProcessEnv} environment
 * @param {{ checkOnly: boolean }} options
 */
async function prepare(environment, options) {
  return (await prepareToolchain(environment, options)) && (await prepareDependencies(environment, options))
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`inferq: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
