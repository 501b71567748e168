/** Stable codes of everything this package throws; branch on these, never on the message. */
export type RuntimeErrorCode =
  | 'deadline_exceeded'
  | 'service_start_failed'
  | 'service_stop_failed'
  | 'environment_invalid'
  | 'data_dir_locked'
  | 'redis_binary_missing'
  | 'redis_start_failed'
  | 'redis_url_invalid'
  | 'redis_unreachable'
  | 'postgres_start_failed'
  | 'child_start_failed'

/** The base of this package's errors. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode

  constructor(code: RuntimeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RuntimeError'
    this.code = code
  }
}

/** The text of anything thrown, for a message or a log line. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
