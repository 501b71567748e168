import { closeSync, fstatSync, mkdirSync, openSync, renameSync, write, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { LogDestination } from '@inferq/telemetry'

export interface LogFile extends LogDestination {
  flush(): Promise<void>
  /** Writes out what is left; later lines are lost. */
  close(): void
}

const flushAfterMs = 100
const maxWaiting = 16 * 1024 * 1024

/**
 * A log file of bounded size: at `maxBytes` it becomes `<path>.1`, replacing the one before. Lines are gathered and
 * written at most 100 ms later; what is gathered is written when the process exits.
 */
export function createLogFile(path: string, maxBytes = 20 * 1024 * 1024): LogFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  let descriptor = openSync(path, 'a', 0o600)
  let size = fstatSync(descriptor).size
  let waiting: string[] = []
  let waitingLength = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  let closed = false

  const take = (): Buffer => {
    clearTimeout(timer)
    timer = undefined
    const block = Buffer.from(waiting.join(''))
    waiting = []
    waitingLength = 0
    return block
  }
  const turnOver = (): void => {
    if (size < maxBytes) return
    closeSync(descriptor)
    renameSync(path, `${path}.1`)
    descriptor = openSync(path, 'a', 0o600)
    size = 0
  }
  const writeBlock = (block: Buffer): Promise<void> =>
    new Promise((resolve) => {
      if (block.length === 0 || closed) return resolve()
      turnOver()
      size += block.length
      // A full disk must not end the process; the lines are lost.
      write(descriptor, block, () => resolve())
    })
  const flush = (): Promise<void> => {
    writing = writing.then(() => writeBlock(take()))
    return writing
  }
  const close = (): void => {
    if (closed) return
    const block = take()
    closed = true
    process.off('exit', close)
    try {
      if (block.length > 0) writeSync(descriptor, block)
    } catch {
      // As above.
    }
    closeSync(descriptor)
  }
  process.on('exit', close)

  return {
    write(line) {
      if (closed || waitingLength > maxWaiting) return
      waiting.push(line)
      waitingLength += line.length
      timer ??= setTimeout(flush, flushAfterMs)
    },
    flush,
    close,
  }
}
