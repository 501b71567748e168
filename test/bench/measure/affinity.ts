import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFamily, type TrackedProcess } from './processes.ts'

/** Of util-linux. */
const program = 'taskset'

/** The cores of a pinned run, as `taskset -c` takes them. */
export interface Pinning {
  /** For everything a target consists of, its databases included. */
  readonly target: string
  /** For the upstream and the load generator. */
  readonly around: string
  /** What this process may use: no pinning. */
  readonly all: string
}

/** Undefined where nothing can be pinned: without /proc, taskset (util-linux) or a second core. */
export function findPinning(): Pinning | undefined {
  const all = ownCores()
  const [target, around] = parseCoreList(all)
  if (target === undefined || around === undefined) return undefined
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  return { target: String(target), around: String(around), all }
}

/** Lets a process, with all its threads, run on these cores only; what it starts from now on inherits it. */
export function pinProcess(pid: number, cores: string): void {
  execFileSync(program, ['--all-tasks', '--cpu-list', '--pid', cores, String(pid)], { stdio: 'ignore' })
}

/** The same for all of them and for what they have started. Throws when one of them runs and cannot be pinned. */
export function pinFamilies(tracked: readonly TrackedProcess[], cores: string): void {
  for (const pid of readFamily(tracked)) {
    try {
      pinProcess(pid, cores)
    } catch (cause) {
      if (readFamily(tracked).includes(pid)) throw new Error(`process ${pid} cannot be pinned to ${cores}`, { cause })
    }
  }
}

/** `0-2,7` as numbers; nothing of a text of another form. */
export function parseCoreList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? []
    if (first === undefined) return []
    const from = Number(first)
    return Array.from({ length: Number(last ?? first) - from + 1 }, (_, index) => from + index)
  })
}

function ownCores(): string {
  try {
    return /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}
