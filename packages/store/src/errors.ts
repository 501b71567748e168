import { InferqError } from '@inferq/contracts'

/** PostgreSQL's SQLSTATE of an error from the server, undefined for everything else. */
export function sqlState(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  if (thrown instanceof InferqError) return sqlState(thrown.cause)
  if (!('code' in thrown) || !('severity' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/**
 * The values themselves were refused, so the same values will be refused again: data exception (22), constraint (23),
 * program limit (54). See https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isRowFault(thrown: unknown): boolean {
  // A value of another type than promised fails before it is sent.
  if (thrown instanceof TypeError) return true
  return /^(22|23|54)/.test(sqlState(thrown) ?? '')
}

/** No answer from a server that can do its work: it may have done the statement or not, and another try may succeed. */
const unavailableStates = /^(08|53|57|40|25006|55P03|58)/

/** Of a socket that was connected. */
const lostSocketCodes: readonly unknown[] = ['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTCONN']

/**
 * The connection broke, or leads to a server that became a standby, so another one may work at once; a statement that ran out
 * of time is not tried again.
 */
export function isConnectionLoss(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  const state = sqlState(thrown)
  if (state !== undefined) return /^(08|57P|25006)/.test(state)
  return 'code' in thrown ? lostSocketCodes.includes(thrown.code) : thrown.message.startsWith('Connection terminated')
}

/** A server in its senses said no to this statement: its connection is as good as before. */
export function isRefusal(thrown: unknown): boolean {
  const state = sqlState(thrown)
  return state !== undefined && !/^(08|57P|25006|58|XX)/.test(state)
}

/** What callers of the store see: `service_unavailable` where another try may succeed, else `internal_error`. */
export function toInferqError(thrown: unknown, statement: string): InferqError {
  if (thrown instanceof InferqError) return thrown
  const state = sqlState(thrown)
  const unavailable =
    state === undefined ? thrown instanceof Error && !isMistake(thrown) : unavailableStates.test(state)
  return unavailable
    ? new InferqError(
        { code: 'service_unavailable', message: 'The database does not answer.', retryAfterSeconds: 1 },
        { cause: thrown },
      )
    : new InferqError({ code: 'internal_error', message: `The database refused ${statement}.` }, { cause: thrown })
}

/** Errors of our own making, as opposed to those of sockets and timers. */
export function isMistake(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError
}
