import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, createSilentLog, spawnChild } from '@inferq/runtime'
import type { TargetPart } from './target.ts'

export interface ProgramOptions {
  /** Names the process, and its log file. */
  readonly name: string
  /** Default: Node. */
  readonly command?: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** Where it runs and where its output goes. */
  readonly folder: string
  /** Becomes true when it serves. */
  readonly ready: () => Promise<boolean>
  readonly readyTimeoutMs?: number
  /** It starts others that go with it, whether it is stopped or killed. */
  readonly wholeGroup?: boolean
}

export interface Program {
  readonly pid: number
  readonly logFile: string
  /** SIGTERM, and SIGKILL to one that does not go. A second call does nothing. */
  stop(): Promise<void>
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
  /** After `kill`: starts it again as it was, and resolves when it serves. */
  restart(): Promise<void>
}

const stopTimeoutMs = 15_000

/**
 * Starts a program as in production: its output goes to a file, not through this process. It dies with this
 * process. Throws, with the end of its output, when it exits or is not ready in time.
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { name, command = process.execPath, args, environment, folder, ready, readyTimeoutMs = 30_000 } = options
  const logFile = join(folder, `${name}.log`)
  const start = async (): Promise<Child> => {
    const started = await spawnChild({
      name,
      command: '/bin/sh',
      args: ['-c', 'exec "$@" >>"$0" 2>&1', logFile, command, ...args],
      env: environment,
      workingDir: folder,
      log: createSilentLog(),
      wholeGroup: options.wholeGroup ?? false,
    })
    try {
      await untilReady(started, ready, readyTimeoutMs)
    } catch (cause) {
      await stopChild(started)
      throw new Error(`${name} did not start:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`, { cause })
    }
    return started
  }
  let child = await start()
  return {
    get pid() {
      return child.pid
    },
    logFile,
    stop: () => stopChild(child),
    async kill() {
      child.kill('SIGKILL')
      await child.exited
    },
    async restart() {
      child = await start()
    },
  }
}

/** A program as a part that the fault cell may kill. */
export function partOf(label: string, program: Program): TargetPart {
  return { label, kill: program.kill, restart: program.restart }
}

async function untilReady(child: Child, ready: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await ready().catch(() => false))) {
    if (!child.isRunning()) throw new Error('it exited')
    if (performance.now() > deadline) throw new Error('it took too long')
    await sleep(50)
  }
}

async function stopChild(child: Child): Promise<void> {
  if (!child.isRunning()) return
  child.kill('SIGTERM')
  const late = new AbortController()
  const exited = child.exited.then(() => late.abort())
  await Promise.race([exited, sleep(stopTimeoutMs, undefined, { signal: late.signal }).catch(() => {})])
  child.kill('SIGKILL')
  await exited
}

/** A port of this machine that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('there is no free port')
  return address.port
}

/** Whether a GET is answered with 200. */
export async function answers(url: string, headers: Readonly<Record<string, string>> = {}): Promise<boolean> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(2_000) })
  await response.arrayBuffer()
  return response.status === 200
}
