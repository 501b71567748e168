import { errorMessage, type Log } from '@inferq/runtime'
import pg from 'pg'
import { isConnectionLoss, toInferqError } from './errors.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`, or with `?host=/directory` for a unix socket. */
  readonly url: string
  readonly log: Log
  readonly maxConnections: number
  /** For every statement, and for getting a connection. */
  readonly statementTimeoutMs: number
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
  /** Runs one statement. It must be safe to run twice: a connection lost under it is answered by one more try. */
  run<Row extends object>(statement: Statement): Promise<Row[]>
  close(): Promise<void>
}

export function createDatabase(options: DatabaseOptions): Database {
  const { log, statementTimeoutMs } = options
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: 'inferq',
    max: options.maxConnections,
    connectionTimeoutMillis: statementTimeoutMs,
    idleTimeoutMillis: 10_000,
    keepAlive: true,
    types: { getTypeParser },
  })
  pool.on('error', (error) => log.warn({ error: error.message }, 'store-connection-lost'))

  const runOnce = async ({ text, values = [], timeoutMs = statementTimeoutMs }: Statement): Promise<object[]> => {
    const result = await pool.query<object>(withTimeout(text, values, timeoutMs))
    return result.rows
  }

  const runTwice = async (statement: Statement): Promise<object[]> => {
    try {
      return await runOnce(statement)
    } catch (thrown) {
      if (!isConnectionLoss(thrown)) throw thrown
      log.warn({ statement: statement.name, error: errorMessage(thrown) }, 'store-retry')
      return runOnce(statement)
    }
  }

  return {
    async run<Row extends object>(statement: Statement): Promise<Row[]> {
      try {
        return (await runTwice(statement)) as Row[]
      } catch (thrown) {
        throw toInferqError(thrown, statement.name)
      }
    },
    close: () => pool.end(),
  }
}

/** `query_timeout` is missing in the types: https://node-postgres.com/apis/client */
function withTimeout(text: string, values: readonly unknown[], timeoutMs: number): pg.QueryConfig {
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
