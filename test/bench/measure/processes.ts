import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** A process of a target by its role, such as `ingress`. What it has started counts as part of it. */
export interface TrackedProcess {
  readonly label: string
  readonly pid: number
}

export interface ProcessReading {
  readonly label: string
  /** User and system time since the process started, that of its living descendants included. */
  readonly cpuSeconds: number
  /** Summed over its processes: pages that several of them share are counted in each. */
  readonly rssBytes: number
  /** The same with every shared page divided by those who share it (PSS). 0 where the kernel does not say. */
  readonly pssBytes: number
  /** The highest resident size since the start, or since `resetPeaks`, of each process, summed. */
  readonly peakRssBytes: number
}

/** /proc counts in these, whatever the kernel's own tick is (USER_HZ). */
const ticksPerSecond = 100

/** What the processes have used up to now. Empty where there is no /proc. A process that is gone counts as nothing. */
export function readProcesses(tracked: readonly TrackedProcess[]): ProcessReading[] {
  const table = readTable()
  if (table.size === 0) return []
  return tracked.map(({ label, pid }) => {
    let cpuSeconds = 0
    let rssBytes = 0
    let pssBytes = 0
    let peakRssBytes = 0
    for (const member of withDescendants(pid, table)) {
      cpuSeconds += table.get(member)?.cpuSeconds ?? 0
      const memory = parseMemory(readProcFile(member, 'status'))
      rssBytes += memory.rssBytes
      peakRssBytes += memory.peakRssBytes
      pssBytes += parseShare(readProcFile(member, 'smaps_rollup'))
    }
    return { label, cpuSeconds, rssBytes, pssBytes, peakRssBytes }
  })
}

/** The processes and everything below them, as it is now. */
export function readFamily(tracked: readonly TrackedProcess[]): number[] {
  const table = readTable()
  return tracked.flatMap(({ pid }) => (table.has(pid) ? withDescendants(pid, table) : []))
}

/** Lets the highest resident size start over from the present one. Does nothing where the kernel does not allow it. */
export function resetPeaks(tracked: readonly TrackedProcess[]): void {
  for (const member of readFamily(tracked)) {
    try {
      writeFileSync(`/proc/${member}/clear_refs`, '5')
    } catch {
      // Then the peak is the one since the start.
    }
  }
}

export interface ProcessStat {
  readonly parentPid: number
  readonly cpuSeconds: number
}

/** Reads /proc/<pid>/stat. The program's name, in parentheses, may hold spaces and parentheses itself. */
export function parseStat(text: string): ProcessStat | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [parentPid, userTicks, systemTicks] = [fields[1], fields[11], fields[12]].map(Number)
  if (parentPid === undefined || userTicks === undefined || systemTicks === undefined) return null
  const cpuSeconds = (userTicks + systemTicks) / ticksPerSecond
  return Number.isNaN(parentPid + cpuSeconds) ? null : { parentPid, cpuSeconds }
}

/** Reads the memory lines of /proc/<pid>/status; zeroes where there are none. */
export function parseMemory(text: string): { readonly rssBytes: number; readonly peakRssBytes: number } {
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)
  return { rssBytes: kibibytes('VmRSS') * 1024, peakRssBytes: kibibytes('VmHWM') * 1024 }
}

/** Reads the share of its memory that a process answers for from /proc/<pid>/smaps_rollup; 0 where it is not told. */
export function parseShare(text: string): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024
}

/** The process and everything below it. */
export function withDescendants(pid: number, table: ReadonlyMap<number, ProcessStat>): number[] {
  const family = [pid]
  for (const member of family) {
    for (const [other, { parentPid }] of table) if (parentPid === member) family.push(other)
  }
  return family
}

function readTable(): Map<number, ProcessStat> {
  const table = new Map<number, ProcessStat>()
  for (const name of listProcesses()) {
    const stat = parseStat(readProcFile(Number(name), 'stat'))
    if (stat !== null) table.set(Number(name), stat)
  }
  return table
}

function listProcesses(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

function readProcFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
