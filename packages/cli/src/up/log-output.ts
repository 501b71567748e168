import { join } from 'node:path'
import { createBufferedDestination, type LogDestination } from '@inferq/telemetry'
import { createLogFile } from '../log-file.ts'
import { shownPath } from '../settings.ts'

export interface LogOutput {
  readonly destination: LogDestination
  /** Where the user finds the lines; undefined: they are on standard error. */
  readonly shownPath: string | undefined
  close(): Promise<void>
}

/**
 * Where the log lines of a whole stack go. On a terminal they would bury what the user came for, so they go to a file;
 * otherwise (a container, a CI run, a pipe) to standard error, as JSON lines, for whoever gathers them there.
 */
export function openLogOutput(dataDir: string, isTerminal: boolean): LogOutput {
  if (!isTerminal) {
    const destination = createBufferedDestination(2)
    return { destination, shownPath: undefined, close: async () => destination.flush?.() }
  }
  const path = join(dataDir, 'log', 'inferq.log')
  const file = createLogFile(path)
  return { destination: file, shownPath: shownPath(path), close: async () => file.close() }
}
