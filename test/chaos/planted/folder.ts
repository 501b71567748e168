import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const home = join(import.meta.dirname, '../../../.inferq/planted')

export interface Folder {
  /** Not there yet. */
  readonly path: string
  /** Deletes it, and leaves its name to others. */
  release(): void
}

/**
 * A folder that no other process has now: the first one free, so that the same few names are used again and again. What Node
 * keeps of compiled modules goes by their paths.
 */
export function takeFolder(): Folder {
  mkdirSync(home, { recursive: true })
  for (let number = 1; ; number += 1) {
    const path = join(home, String(number))
    const lock = `${path}.lock`
    if (!isTaken(lock)) continue
    // Of one that died.
    rmSync(path, { recursive: true, force: true })
    return {
      path,
      release() {
        rmSync(path, { recursive: true, force: true })
        rmSync(lock, { force: true })
      },
    }
  }
}

function isTaken(lock: string): boolean {
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (isHeld(lock)) return false
    rmSync(lock, { force: true })
  }
  return false
}

/** By a process that lives; a lock without a number is being written just now. */
function isHeld(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    return pid === 0 || process.kill(pid, 0)
  } catch {
    return false
  }
}
