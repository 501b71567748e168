import { type DestinationStream, type Level, type Logger as PinoLogger, pino } from 'pino'
import { createBufferedDestination, type LogDestination } from './log-destination.ts'
import { createPrettyDestination } from './pretty-destination.ts'
import { scrub } from './scrub.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/**
 * What everybody logs with. The first argument holds the facts (numbers with their unit in the name), the second names
 * the event in kebab-case: `log.info({ jobId, attempt, latencyMs }, 'job-end')`. Facts whose names say that they hold a
 * key, a password, a prompt or a completion are written as `[redacted]`. An Error under `error` keeps its code, stack
 * and causes.
 */
export interface Logger {
  debug(fields: object, event: string): void
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
  error(fields: object, event: string): void
  /** A logger that adds these facts to every line. Costs little; make one per component, not one per request. */
  child(fields: object): Logger
  /** Whether lines of this level are written: to skip work for those that are not. */
  isEnabled(level: LogLevel): boolean
  /** Writes out what is buffered. */
  flush(): Promise<void>
}

export interface LoggerOptions {
  /** On every line: `ingress`, `worker`, … */
  readonly service: string
  /** Default info. */
  readonly level?: LogLevel
  /** Default: standard output, buffered. */
  readonly destination?: LogDestination
  /** Lines for people instead of JSON. */
  readonly pretty?: boolean
}

/** Makes a logger that writes one JSON object a line: level, time (ms since the epoch), service, pid, the facts, event. */
export function createLogger(options: LoggerOptions): Logger {
  const { service, level = 'info', pretty = false } = options
  const output = options.destination ?? createBufferedDestination()
  const destination = pretty ? createPrettyDestination(output) : output
  const root = pino(
    {
      level,
      base: { service, pid: process.pid },
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }), log: scrub },
      serializers: { error: serializeError },
    },
    destination as DestinationStream,
  )
  return wrap(root, destination)
}

function wrap(logger: PinoLogger, destination: LogDestination): Logger {
  return {
    debug: (fields, event) => logger.debug(fields, event),
    info: (fields, event) => logger.info(fields, event),
    warn: (fields, event) => logger.warn(fields, event),
    error: (fields, event) => logger.error(fields, event),
    child: (fields) => wrap(logger.child(scrub({ ...fields })), destination),
    isEnabled: (level: Level) => logger.isLevelEnabled(level),
    flush: async () => destination.flush?.(),
  }
}

function serializeError(value: unknown): unknown {
  return value instanceof Error ? pino.stdSerializers.errWithCause(value) : value
}
