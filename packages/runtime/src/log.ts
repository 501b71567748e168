/**
 * What runtime needs of a logger. The logger of @inferq/telemetry has this shape; so has any pino logger.
 * The first argument holds the facts, the second names the event (kebab-case).
 */
export interface Log {
  debug(fields: object, event: string): void
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
  error(fields: object, event: string): void
}

/** A log that goes nowhere. */
export function createSilentLog(): Log {
  const nothing = (): void => {}
  return { debug: nothing, info: nothing, warn: nothing, error: nothing }
}
