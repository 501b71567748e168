import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { say } from './toolchain.mjs'

/**
 * Runs `action` while no other process on this machine does, and takes over the lock of one that died.
 *
 * @param {string} file
 * @param {() => Promise<unknown>} action
 */
export async function withLock(file, action) {
  for (let announced = false; !tryLock(file); announced = true) {
    if (!announced) say(`waiting for another start to finish its set-up (${file})`)
    await delay(200)
  }
  try {
    await action()
  } finally {
    rmSync(file, { force: true })
  }
}

/** @param {string} file */
function tryLock(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  if (!isHeldByLiving(file)) rmSync(file, { force: true })
  return false
}

/** @param {string} file */
function isHeldByLiving(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    // Empty for an instant between creation and content.
    if (!pid) return Date.now() - statSync(file).mtimeMs < 5000
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
