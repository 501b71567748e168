import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Clock } from './clock.ts'
import { RuntimeError } from './errors.ts'

/** Holding it means nobody else uses the directory. `release` may be called twice. */
export interface DataDirLock {
  release(): void
}

/** Another live process has the directory. */
class DataDirLockedError extends RuntimeError {
  /** The process that holds it, when it said so. */
  readonly ownerPid: number | undefined

  constructor(dataDir: string, ownerPid: number | undefined) {
    const owner = ownerPid === undefined ? 'another process' : `process ${ownerPid}`
    super(
      'data_dir_locked',
      `${dataDir} is in use by ${owner}: stop that inferq first, or give this one its own data directory`,
    )
    this.name = 'DataDirLockedError'
    this.ownerPid = ownerPid
  }
}

/**
 * Takes the directory (made if missing, for its owner only) for this process, or throws DataDirLockedError.
 * The lock is the operating system's, held through SQLite's exclusive transaction on an empty file: it ends with the
 * process, however that dies, so there is no stale lock to judge. The pid beside it only serves the message.
 */
export function lockDataDir(dataDir: string, ownerPid: number = process.pid): DataDirLock {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(dataDir, 'lock'), { timeout: 0 })
  const ownerPath = join(dataDir, 'lock-owner.json')
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (thrown) {
    database.close()
    if (isBusy(thrown)) throw new DataDirLockedError(dataDir, readOwner(ownerPath))
    throw thrown
  }
  writeFileSync(ownerPath, JSON.stringify({ pid: ownerPid }))
  let held = true
  return {
    release() {
      if (held) database.close()
      held = false
    },
  }
}

/**
 * As lockDataDir, but gives an owner that is going away up to `timeoutMs` to be gone. One whose process (the pid it
 * named) lives is not waited for.
 */
export async function lockDataDirSoon(
  dataDir: string,
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly ownerPid?: number },
): Promise<DataDirLock> {
  const { clock, timeoutMs } = options
  const startedAt = clock.monotonic()
  for (;;) {
    try {
      return lockDataDir(dataDir, options.ownerPid)
    } catch (thrown) {
      if (!(thrown instanceof DataDirLockedError)) throw thrown
      if (thrown.ownerPid !== undefined && isAlive(thrown.ownerPid)) throw thrown
      if (clock.monotonic() - startedAt >= timeoutMs) throw thrown
      await clock.sleep(50)
    }
  }
}

/** Whether a process with this id exists; also true for one of another user. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM'
  }
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && 'errcode' in thrown && thrown.errcode === 5
}

function readOwner(path: string): number | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const pid = typeof parsed === 'object' && parsed !== null && 'pid' in parsed ? parsed.pid : undefined
    return typeof pid === 'number' ? pid : undefined
  } catch {
    return undefined
  }
}
