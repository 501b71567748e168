import { pino } from 'pino'

/** Where log lines go; each call gets one line with its line break. */
export interface LogDestination {
  write(line: string): void
  flush?(): Promise<void>
}

const flushAfterMs = 200

/**
 * Standard output (or a file), written in blocks of 64 KiB, and at the latest 200 ms after a line, so that logging costs
 * the hot path no system call. What is buffered is written when the process exits; a SIGKILL loses at most those 200 ms.
 */
export function createBufferedDestination(target: number | string = 1): LogDestination {
  const stream = pino.destination({ dest: target, sync: false, minLength: 65_536, maxWrite: 131_072 })
  // A closed pipe (`inferq up | head`) must not end the process.
  stream.on('error', () => {})
  let timer: NodeJS.Timeout | undefined
  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    return new Promise((resolve) => stream.flush(() => resolve()))
  }
  return {
    write(line) {
      stream.write(line)
      timer ??= setTimeout(flush, flushAfterMs)
    },
    flush,
  }
}
