import { pino } from 'pino'

/** Where log lines go; each call gets one line with its line break. */
export interface LogDestination {
  write(line: string): void
  flush?(): Promise<void>
}

const flushAfterMs = 200
const blockLength = 65_536

/**
 * Standard output (or a file), written in blocks of 64 KiB, and at the latest 200 ms after a line, so that logging costs
 * the hot path no system call. What is buffered is written when the process exits; a SIGKILL loses at most those 200 ms.
 * The lines are gathered here: pino's stream copies its whole buffer for each line it adds to it.
 */
export function createBufferedDestination(target: number | string = 1): LogDestination {
  let lines: string[] = []
  let length = 0
  let timer: NodeJS.Timeout | undefined
  const pass = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (length === 0) return
    const block = lines.join('')
    lines = []
    length = 0
    stream.write(block)
  }
  // Before pino's own listener: what it writes at the exit is then everything.
  process.once('exit', pass)
  const stream = pino.destination({ dest: target, sync: false, minLength: 1, maxWrite: 2 * blockLength })
  // A closed pipe (`inferq up | head`) must not end the process.
  stream.on('error', () => {})
  return {
    write(line) {
      lines.push(line)
      length += line.length
      if (length >= blockLength) pass()
      else timer ??= setTimeout(pass, flushAfterMs)
    },
    flush() {
      pass()
      return new Promise((resolve) => stream.flush(() => resolve()))
    },
  }
}
