import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Log } from './log.ts'

export interface ChildOptions {
  /** Names it in log lines. */
  readonly name: string
  /** The program, by path or by name in PATH. */
  readonly command: string
  readonly args: readonly string[]
  /** The child's whole environment. */
  readonly env: NodeJS.ProcessEnv
  readonly workingDir?: string
  /** Runs it as another user. Only root may. */
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly log: Log
  /** What the child gets between SIGTERM and SIGKILL when this process dies. Default 10 s. */
  readonly orphanGraceSeconds?: number
  /** The program starts others, as vLLM does: whatever is left of its process group when it has ended is killed. */
  readonly wholeGroup?: boolean
  /** Takes each line of output. Default: logged at debug. To pass a child's JSON log on, write the line to stdout. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void
  /** Opens a message channel (Node children only) and takes what arrives. */
  readonly onMessage?: (message: unknown) => void
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running child. `exited` never rejects; it resolves when the child and its watcher are gone. */
export interface Child {
  readonly pid: number
  readonly exited: Promise<ChildExit>
  isRunning(): boolean
  /** The last lines it wrote, for an error message. */
  recentLines(): readonly string[]
  /** Sends a signal; nothing happens to a child already gone. */
  kill(signal: NodeJS.Signals): void
}

const watcherTimeoutMs = 1_000
const keptLines = 20
const maxLineLength = 16_384

/**
 * Starts the program under a watcher that outlives this process, however it dies: the watcher waits on a pipe (fd 3)
 * whose other end only this process holds. When that closes it sends the child SIGTERM, and SIGKILL after the grace.
 * `q` on the pipe tells it that the child is gone and it may go too, before the child's pid can mean another process.
 * The shell becomes the program (`exec`), so child.pid is the program's, and its group's: the watcher is of that group, so
 * that the number means no other group as long as it watches. Killing the group ends the watcher with it.
 */
const watcherScript = `scope=$1; shift
(trap "" INT TERM HUP
gone() { [ "$scope" = group ] && kill -KILL -$$; exit 0; }
while read -r line; do [ "$line" = q ] && exit 0; done
kill -TERM $$ || gone
left=$0
while [ "$left" -gt 0 ]; do sleep 1; kill -0 $$ || gone; left=$((left - 1)); done
[ "$scope" = group ] && kill -KILL -$$
kill -KILL $$) <&3 >/dev/null 2>&1 4<&- &
exec "$@" 3<&-`

/** Spawns a child that dies with this process. Rejects when the program cannot be started. POSIX only. */
export async function spawnChild(options: ChildOptions): Promise<Child> {
  const { name, command, args, env, log, orphanGraceSeconds = 10, wholeGroup = false, onMessage } = options
  const script = ['-c', watcherScript, String(Math.ceil(orphanGraceSeconds)), wholeGroup ? 'group' : 'process']
  const child = spawn('/bin/sh', [...script, command, ...args], {
    env,
    cwd: options.workingDir,
    ...options.user,
    // A session of its own: Ctrl-C in a terminal reaches only the parent, which then stops its children in order.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', onMessage ? 'ipc' : 'ignore'],
  })
  const recent: string[] = []
  const passOn = options.onLine ?? ((line: string) => log.debug({ child: name, line }, 'child-output'))
  const onLine = (line: string, stream: 'stdout' | 'stderr'): void => {
    if (recent.push(line) > keptLines) recent.shift()
    passOn(line, stream)
  }
  child.stdio[3]?.on('error', () => {})
  readLines(child.stdout, (line) => onLine(line, 'stdout'))
  readLines(child.stderr, (line) => onLine(line, 'stderr'))
  if (onMessage) child.on('message', onMessage)

  const exited = new Promise<ChildExit>((resolve) => {
    child.once('exit', (code, signal) => {
      if (wholeGroup) killGroup(child.pid)
      dismissWatcher(child, () => resolve({ code, signal }))
    })
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  child.on('error', (error) => log.warn({ child: name, error: error.message }, 'child-error'))
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} has no process id`)
  return {
    pid,
    exited,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    recentLines: () => recent,
    kill(signal) {
      if (wholeGroup && signal === 'SIGKILL' && child.exitCode === null && child.signalCode === null) killGroup(pid)
      else child.kill(signal)
    },
  }
}

/** The group is there as long as its watcher is. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

/** Tells the watcher that its work is done, and calls back when it is gone too (a second at most). */
function dismissWatcher(child: ChildProcess, done: () => void): void {
  const pipe = child.stdio[3]
  // It closes by itself where the watcher was killed with the group.
  if (!(pipe instanceof Socket) || pipe.closed) {
    done()
    return
  }
  const giveUp = setTimeout(() => pipe.destroy(), watcherTimeoutMs)
  pipe.once('close', () => {
    clearTimeout(giveUp)
    done()
  })
  pipe.end('q\n')
  // The watcher's end closes with it; that is seen only by reading.
  pipe.resume()
}

function readLines(stream: Readable | null, take: (line: string) => void): void {
  if (!stream) return
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  lines.on('line', (line) => take(line.length > maxLineLength ? `${line.slice(0, maxLineLength)}…` : line))
  lines.on('error', () => {})
}
