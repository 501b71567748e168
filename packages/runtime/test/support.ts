import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Log } from '../src/index.ts'

/** A directory of its own; `remove` it afterwards. */
export function makeTemporaryDir(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'inferq-runtime-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }) }
}

/** A directory that is gone after the test. */
export function temporaryDir(): string {
  const dir = makeTemporaryDir()
  onTestFinished(() => dir.remove())
  return dir.path
}

/** What is costly to make once and safe to share between tests: a fetched Redis, the template of a database. */
export function sharedCacheDir(): string {
  return join(import.meta.dirname, '../../../.inferq/cache')
}

export interface CollectedLog extends Log {
  readonly events: { readonly level: string; readonly event: string; readonly fields: Record<string, unknown> }[]
  has(event: string): boolean
}

export function collectLog(): CollectedLog {
  const events: CollectedLog['events'] = []
  const at = (level: string) => (fields: object, event: string) => {
    events.push({ level, event, fields: { ...fields } })
  }
  return {
    events,
    has: (event) => events.some((entry) => entry.event === event),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  }
}

/** Resolves as soon as the condition holds; throws after `deadlineMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
  what = 'the condition',
): Promise<void> {
  const startedAt = performance.now()
  while (!(await condition())) {
    if (performance.now() - startedAt > deadlineMs) throw new Error(`${what} did not hold within ${deadlineMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A fixture running as a process of its own, killed after the test if it still is. */
export interface FixtureProcess {
  readonly process: ChildProcess
  readonly lines: readonly string[]
  readonly exited: Promise<number | NodeJS.Signals | null>
}

export function runFixture(
  name: string,
  args: readonly string[] = [],
  variables: NodeJS.ProcessEnv = {},
): FixtureProcess {
  const path = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))
  const env = { ...process.env, ...variables }
  const child = spawn(process.execPath, [path, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { process: child, lines, exited }
}

/** The processes whose command line holds the text: children, their watchers, and what they left behind. */
export function processesNaming(text: string): readonly number[] {
  if (!existsSync('/proc/self/cmdline')) {
    const listed = execFileSync('ps', ['-axo', 'pid=,args='], { encoding: 'utf8' }).split('\n')
    return listed.filter((line) => line.includes(text)).map((line) => Number.parseInt(line, 10))
  }
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && commandLine(pid).includes(text))
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
