import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const keyShape = /^sk-inferq-dev-[0-9a-f]{32}$/

/**
 * The development key of a data directory, made at the first asking and the same from then on. Only its owner can read
 * the file (mode 600). A file that holds no such key is replaced.
 */
export function readDevKey(dataDir: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = join(dataDir, 'key')
  const kept = readKey(path)
  if (kept !== undefined) {
    chmodSync(path, 0o600)
    return kept
  }
  rmSync(path, { force: true })
  // Written whole under another name first: a start that is killed leaves no half key, and of two starts one wins.
  const fresh = `sk-inferq-dev-${randomBytes(16).toString('hex')}`
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${fresh}\n`, { mode: 0o600 })
  try {
    linkSync(temporary, path)
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown
  } finally {
    rmSync(temporary, { force: true })
  }
  return readKey(path) ?? fresh
}

function readKey(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim()
    return keyShape.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
