import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nodePath, root } from './paths.mjs'

/**
 * Becomes the program where Node can do that, so that no process stands between it and its signals; else runs it.
 *
 * @param {string} program absolute path
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<number>} its exit code
 */
export async function handOver(program, args, environment) {
  if (process.execve) return process.execve(program, [program, ...args], environment)
  if (program !== nodePath) return run(program, args, { environment })
  const lifeline = ['--import', pathToFileURL(join(root, 'scripts', 'boot', 'lifeline.mjs')).href]
  return run(program, [...lifeline, ...args], {
    environment: { ...environment, INFERQ_LIFELINE_FD: '3' },
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  })
}

/**
 * Runs a program to its end and passes signals on to it.
 * On a terminal Ctrl-C reaches the whole group by itself, and a second SIGINT would mean "stop at once".
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ environment: NodeJS.ProcessEnv, cwd?: string, stdio?: import('node:child_process').StdioOptions }} options
 * @returns {Promise<number>} its exit code, 128 + n for a signal as a shell does
 */
export function run(program, args, { environment, cwd = process.cwd(), stdio = 'inherit' }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: environment, stdio })
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    }
    /** @type {NodeJS.Signals[]} */
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
    for (const signal of signals) process.on(signal, forward)
    child.once('error', (cause) => reject(new Error(`cannot run ${program}: ${cause.message}`, { cause })))
    child.once('exit', (code, signal) => {
      for (const name of signals) process.removeListener(name, forward)
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0))
    })
  })
}

/**
 * @param {string} program a name, or a path that is given back as it is
 * @param {NodeJS.ProcessEnv} environment
 */
export function findOnPath(program, environment) {
  if (program.includes('/')) return program
  const folders = (environment['PATH'] ?? '').split(delimiter)
  const found = folders.find((folder) => existsSync(join(folder, program)))
  if (found === undefined) throw new Error(`cannot find ${program} on PATH`)
  return join(found, program)
}
