import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, sep } from 'node:path'
import { nodePath, root, toolchain } from './paths.mjs'
import { run } from './run.mjs'

/** What the newest of the dependencies ask for; the same as `engines` in package.json. */
const minimumNode = { major: 22, minor: 19 }
const manifestFolder = join(root, 'scripts', 'toolchain')
const files = ['package.json', 'package-lock.json', '.npmrc']

/**
 * Makes `.toolchain` match `scripts/toolchain`: pnpm always, Node only when the one running this is too old.
 * It is built beside its final place and renamed, so a half-made one is never seen.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @param {{ checkOnly: boolean }} options
 * @returns {Promise<boolean>} whether it is ready; false only with `checkOnly`, which changes nothing
 */
export async function prepareToolchain(environment, { checkOnly }) {
  const ownNode = usableNode()
  const stamp = readStamp(join(toolchain, 'stamp'))
  const isCurrent = stamp === stampFor('bundled') || (ownNode !== undefined && stamp === stampFor(ownNode))
  if (isCurrent && existsSync(nodePath)) return true
  if (checkOnly) return false

  say(ownNode ? 'fetching pnpm' : `fetching Node and pnpm (this machine has Node ${process.versions.node})`)
  const temporary = `${toolchain}.new`
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(join(temporary, 'bin'), { recursive: true })
  for (const file of files) copyFileSync(join(manifestFolder, file), join(temporary, file))

  const npm = npmCommand()
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--no-update-notifier']
  if (ownNode) args.push('--omit=optional')
  const code = await run(npm.program, [...npm.args, ...args], {
    environment,
    cwd: temporary,
    stdio: ['ignore', 'ignore', 2],
  })
  if (code !== 0) throw new Error(`npm ci in ${temporary} ended with ${code}`)

  writeLaunchers(temporary, ownNode ?? bundledNode(temporary))
  writeFileSync(join(temporary, 'stamp'), stampFor(ownNode ?? 'bundled'))
  const old = `${toolchain}.old`
  rmSync(old, { recursive: true, force: true })
  if (existsSync(toolchain)) renameSync(toolchain, old)
  renameSync(temporary, toolchain)
  rmSync(old, { recursive: true, force: true })
  return true
}

/** The Node that runs this, if it will do; the toolchain's own is about to be replaced, so it does not count. */
function usableNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isNewEnough = major > minimumNode.major || (major === minimumNode.major && minor >= minimumNode.minor)
  const isOurs = existsSync(toolchain) && realpathSync(process.execPath).startsWith(realpathSync(toolchain) + sep)
  return isNewEnough && !isOurs ? process.execPath : undefined
}

/** @param {string} folder */
function bundledNode(folder) {
  const found = readdirSync(join(folder, 'node_modules')).find((name) => /^node-(bin-)?(darwin|linux)-/.test(name))
  if (found) return join('..', 'node_modules', found, 'bin', 'node')
  throw new Error(
    `inferq needs Node ${minimumNode.major}.${minimumNode.minor} or newer; this is ${process.versions.node}, and there is no ` +
      `ready-made one for ${process.platform}-${process.arch}: please install it and start again`,
  )
}

/**
 * `node` is a link, `pnpm` a small script that runs it under that node whatever else is on PATH.
 *
 * @param {string} folder
 * @param {string} node target of the link
 */
function writeLaunchers(folder, node) {
  symlinkSync(node, join(folder, 'bin', 'node'))
  const script = `#!/bin/sh
here=$(dirname "$0")
exec "$here/node" "$here/../node_modules/pnpm/bin/pnpm.mjs" "$@"
`
  writeFileSync(join(folder, 'bin', 'pnpm'), script, { mode: 0o755 })
}

/** The npm that started this, under the Node that runs it; else the one on PATH. */
function npmCommand() {
  const script = process.env['npm_execpath']
  const isNpm = script !== undefined && /npm-cli\.c?js$/.test(script) && existsSync(script)
  return isNpm ? { program: process.execPath, args: [script] } : { program: 'npm', args: [] }
}

/**
 * What `.toolchain/stamp` holds while that toolchain is up to date.
 *
 * @param {string} node path of the machine's own, or `bundled`
 */
export function stampFor(node) {
  return digest([
    ...files.map((file) => readFileSync(join(manifestFolder, file))),
    process.platform,
    process.arch,
    node,
  ])
}

/** @param {(string | Buffer)[]} parts */
export function digest(parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex')
}

/** @param {string} file */
export function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** @param {string} text */
export function say(text) {
  process.stderr.write(`inferq: ${text}\n`)
}
