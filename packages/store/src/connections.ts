import type { Clock, Log } from '@inferq/runtime'
import pg from 'pg'
import { isMistake, isRefusal } from './errors.ts'

export interface ConnectionsOptions {
  readonly url: string
  readonly log: Log
  readonly clock: Clock
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly getTypeParser: pg.CustomTypesConfig['getTypeParser']
}

export interface Connection {
  readonly client: pg.PoolClient
  /** With what its statement threw: a connection that may be at fault is closed, and so are those of its time. */
  giveBack(thrown?: unknown): void
}

export interface Connections {
  /** A connection to send one statement over, by `until` on the monotonic clock. Throws what connecting throws, or a timeout. */
  take(until: number): Promise<Connection>
  close(): Promise<void>
}

/**
 * The pool. What breaks one connection (a restart, a failover, a network that swallows) has mostly broken all of its time, and
 * idle ones do not show it: after a fault none that was made before is used again, so that the first statement after a
 * failover does not find one dead or read-only connection after the other.
 */
export function createConnections(options: ConnectionsOptions): Connections {
  const { log, clock } = options
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: 'inferq',
    max: options.maxConnections,
    connectionTimeoutMillis: options.connectTimeoutMs,
    idleTimeoutMillis: 10_000,
    keepAlive: true,
    types: { getTypeParser: options.getTypeParser },
  })
  let faults = 0
  const faultsBefore = new WeakMap<pg.PoolClient, number>()
  const isOld = (client: pg.PoolClient): boolean => faultsBefore.get(client) !== faults

  pool.on('error', (error) => log.warn({ error: error.message }, 'store-connection-lost'))
  pool.on('connect', (client) => faultsBefore.set(client, faults))

  /** The pool has no deadline for a single caller: one that gave up leaves its connection to others when it comes. */
  const connect = (until: number): Promise<pg.PoolClient> =>
    new Promise((resolve, reject) => {
      let isOver = false
      const cancel = clock.after(Math.max(0, until - clock.monotonic()), () => {
        isOver = true
        reject(new Error('no connection in time'))
      })
      pool.connect().then(
        (client) => {
          cancel()
          if (isOver) client.release()
          else resolve(client)
        },
        (thrown: unknown) => {
          cancel()
          reject(thrown)
        },
      )
    })

  const take = async (until: number): Promise<Connection> => {
    for (;;) {
      const client = await connect(until)
      if (!isOld(client)) return wrap(client)
      client.release(true)
    }
  }

  const wrap = (client: pg.PoolClient): Connection => {
    // Without a listener an error of the socket would end the process; the statement under way hears of it itself.
    const onError = (): void => {}
    client.on('error', onError)
    return {
      client,
      giveBack(thrown) {
        client.off('error', onError)
        const isSuspect = thrown !== undefined && !isRefusal(thrown)
        if (isSuspect && !isMistake(thrown) && !isOld(client)) faults++
        client.release(isSuspect || isOld(client))
      },
    }
  }

  return { take, close: () => pool.end() }
}
