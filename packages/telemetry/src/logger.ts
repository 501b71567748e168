import { inspect } from 'node:util'
import { pino } from 'pino'
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
  return createLines(membersOf({ service, pid: process.pid }), level, destination)
}

const severities: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50 }

/**
 * Lines are put together here, around what JSON.stringify makes of the facts at once: pino would ask for each fact by itself,
 * and leave the line as a hundred pieces.
 * @param common what every line has: members of an object, without its braces
 */
function createLines(common: string, threshold: LogLevel, destination: LogDestination): Logger {
  const isEnabled = (level: LogLevel): boolean => severities[level] >= severities[threshold]
  const writerOf = (level: LogLevel): Logger['info'] => {
    if (!isEnabled(level)) return () => {}
    const head = `{"level":"${level}","time":`
    return (fields, event) => {
      const members = membersOf(fields as Fields)
      const comma = members === '' ? '' : ','
      destination.write(`${head}${Date.now()},${common}${comma}${members},"event":${JSON.stringify(event)}}\n`)
    }
  }
  return {
    debug: writerOf('debug'),
    info: writerOf('info'),
    warn: writerOf('warn'),
    error: writerOf('error'),
    child(fields) {
      const members = membersOf(fields as Fields)
      return createLines(members === '' ? common : `${common},${members}`, threshold, destination)
    },
    isEnabled,
    flush: async () => destination.flush?.(),
  }
}

type Fields = Record<string, unknown>

function membersOf(fields: Fields): string {
  const shown = scrub(fields)
  const { error } = shown
  const whole = error instanceof Error ? { ...shown, error: pino.stdSerializers.errWithCause(error) } : shown
  return toJson(whole).slice(1, -1)
}

/** A line is written whatever is in it: what JSON does not know (a circle, a bigint) as Node would show it. */
function toJson(fields: Fields): string {
  try {
    return JSON.stringify(fields)
  } catch {
    return JSON.stringify(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, shownAs(value)])))
  }
}

function shownAs(value: unknown): unknown {
  return typeof value === 'object' || typeof value === 'bigint' ? inspect(value, { depth: 3 }) : value
}
