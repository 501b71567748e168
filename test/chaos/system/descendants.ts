import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Everything below a process, parents first: from /proc, else from `ps`. */
export function descendantsOf(pid: number): readonly number[] {
  const parents = parentTable()
  const family = [pid]
  for (const member of family) {
    for (const [child, parent] of parents) if (parent === member) family.push(child)
  }
  return family.slice(1)
}

function parentTable(): ReadonlyMap<number, number> {
  const table = new Map<number, number>()
  for (const [pid, parent] of process.platform === 'linux' ? fromProc() : fromPs()) table.set(pid, parent)
  return table
}

function fromProc(): (readonly [number, number])[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The program's name, in parentheses, may hold anything.
        const text = readFileSync(`/proc/${name}/stat`, 'utf8')
        return [[Number(name), Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])] as const]
      } catch {
        return []
      }
    })
}

function fromPs(): (readonly [number, number])[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
}
