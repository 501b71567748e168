import { createBufferedDestination, createLogger, type LogDestination, type Logger } from '@inferq/telemetry'
import type { Settings, Variables } from './settings.ts'

/** What a command has of the world. Made in main.ts, and by tests. */
export interface CommandContext {
  readonly variables: Variables
  /** What the user asked for. */
  readonly out: (text: string) => void
  /** Everything else. */
  readonly err: (text: string) => void
  /** Somebody looks at standard error. */
  readonly isTerminal: boolean
  /** Ends the process at once. */
  readonly exit: (code: number) => void
}

/** The logger of a command that is one service: JSON lines on standard output, as a container's log wants them. */
export function createServiceLogger(service: string, settings: Settings, destination?: LogDestination): Logger {
  return createLogger({
    service,
    level: settings.logLevel,
    destination: destination ?? createBufferedDestination(1),
  })
}
