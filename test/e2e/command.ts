import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { until } from '@inferq/testkit'

/** `inferq` as a user runs it: a process of its own, seen through its output and its exit code. */
export interface RunningCommand {
  readonly child: ChildProcess
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  stdout(): string
  stderr(): string
}

const main = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))
/** Refuses connections: nobody is given such a port by chance. */
const nobody = 'http://127.0.0.1:2'

/** Starts `inferq` with these arguments and variables alone: nothing of the tester's own environment decides. */
export function runCommand(args: readonly string[], variables: Record<string, string> = {}): RunningCommand {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE } = process.env
  const env = {
    PATH,
    HOME,
    OLLAMA_BASE_URL: nobody,
    VLLM_BASE_URL: nobody,
    ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
    ...variables,
  }
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], { env })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += String(chunk)
  })
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  return { child, exited, stdout: () => output.stdout, stderr: () => output.stderr }
}

/** Runs a command to its end. */
export async function runToEnd(
  args: readonly string[],
  variables: Record<string, string> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const command = runCommand(args, variables)
  const { code } = await command.exited
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}

/** Waits for the block that ends a start, and reads from it what a user would copy. */
export async function untilReady(command: RunningCommand): Promise<{ readonly baseUrl: string; readonly key: string }> {
  await until(() => command.stdout().includes('  Try') || command.child.exitCode !== null, {
    timeoutMs: 50_000,
    everyMs: 20,
    what: 'inferq is ready',
  })
  const baseUrl = /^ {2}API +(\S+)\/v1/m.exec(command.stdout())?.[1]
  const key = /^ {2}Key +(\S+)/m.exec(command.stdout())?.[1]
  if (baseUrl === undefined || key === undefined) {
    throw new Error(`inferq did not start:\n${command.stdout()}\n${command.stderr().slice(-4000)}`)
  }
  return { baseUrl, key }
}

/** Processes that carry the text in their environment: every descendant of a command that was given it. */
export function processesWith(text: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => readProc(`/proc/${pid}/environ`).includes(text)).map(Number)
}

/** Those of them whose command line has this word. */
export function processesNamed(text: string, word: string): number[] {
  return processesWith(text).filter((pid) => readProc(`/proc/${pid}/cmdline`).split('\0').includes(word))
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
