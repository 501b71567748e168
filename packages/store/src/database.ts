import { type Clock, createSystemClock, errorMessage, type Log } from '@inferq/runtime'
import pg from 'pg'
import { createConnections } from './connections.ts'
import { isConnectionLoss, toInferqError } from './errors.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`, or with `?host=/directory` for a unix socket. */
  readonly url: string
  readonly log: Log
  readonly maxConnections: number
  /** For every statement, the wait for a connection and a second try included. */
  readonly statementTimeoutMs: number
  readonly clock?: Clock
}

export interface Statement {
  /** For error messages and log lines. */
  readonly name: string
  /** Without values it may hold several statements, which then are one transaction. */
  readonly text: string
  readonly values?: readonly unknown[]
  /** Default: that of the database. */
  readonly timeoutMs?: number
}

/**
 * One pool, used only in ways that PgBouncer's transaction mode allows, because PGlite has one session for all and an
 * operator may put a pooler between: no SET, no session locks, no named statements, no LISTEN, no COPY. Every statement
 * is a transaction of its own, so none is ever left open, however a client ends.
 * Methods throw InferqError, see toInferqError.
 */
export interface Database {
  /**
   * Runs one statement. It must be safe to run twice: a connection lost under it is answered by one more try, over a new one.
   * When the time is up before there is a connection it was not sent; afterwards the server may still do it.
   */
  run<Row extends object>(statement: Statement): Promise<Row[]>
  /** The same connections, with another limit for statements that name none. */
  within(statementTimeoutMs: number): Database
  close(): Promise<void>
}

/** A second try with less time than this would only fail too. */
const leastTryMs = 20

export function createDatabase(options: DatabaseOptions): Database {
  const { log, clock = createSystemClock() } = options
  const connections = createConnections({
    ...options,
    clock,
    connectTimeoutMs: options.statementTimeoutMs,
    getTypeParser,
  })

  const runOnce = async (statement: Statement, until: number): Promise<object[]> => {
    const connection = await connections.take(until)
    try {
      const leftMs = Math.max(1, Math.ceil(until - clock.monotonic()))
      const result = await connection.client.query<object>(withTimeout(statement, leftMs))
      connection.giveBack()
      return result.rows
    } catch (thrown) {
      connection.giveBack(thrown)
      throw thrown
    }
  }

  const runTwice = async (statement: Statement, until: number): Promise<object[]> => {
    try {
      return await runOnce(statement, until)
    } catch (thrown) {
      if (!isConnectionLoss(thrown) || until - clock.monotonic() < leastTryMs) throw thrown
      log.warn({ statement: statement.name, error: errorMessage(thrown) }, 'store-retry')
      return runOnce(statement, until)
    }
  }

  const within = (statementTimeoutMs: number): Database => ({
    async run<Row extends object>(statement: Statement): Promise<Row[]> {
      const { timeoutMs = statementTimeoutMs } = statement
      try {
        return (await runTwice(statement, clock.monotonic() + timeoutMs)) as Row[]
      } catch (thrown) {
        throw toInferqError(thrown, statement.name)
      }
    },
    within,
    close: () => connections.close(),
  })
  return within(options.statementTimeoutMs)
}

/** `query_timeout` is missing in the types: https://node-postgres.com/apis/client */
function withTimeout({ text, values = [] }: Statement, timeoutMs: number): pg.QueryConfig {
  const config: pg.QueryConfig & { readonly query_timeout: number } = {
    text,
    // Without values it goes as a simple query, which may hold several statements.
    ...(values.length === 0 ? {} : { values: [...values] }),
    query_timeout: timeoutMs,
  }
  return config
}

const int8 = 20

/** int8 as a number: counts and micro-dollars stay below 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === int8) return Number
  return pg.types.getTypeParser(oid, format ?? 'text')
}
