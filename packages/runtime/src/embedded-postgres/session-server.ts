import { createServer, type Socket } from 'node:net'
import type { PGlite } from '@electric-sql/pglite'
import { createMessageCutter } from './wire-messages.ts'

export interface SessionServerOptions {
  readonly database: PGlite
  readonly socketPath: string
  readonly maxConnections: number
  /** A connection that sends nothing for this long, and waits for nothing, is closed. */
  readonly idleTimeoutMs: number
  /** Called after every exchange that leaves nothing open. Clients wait for it; what it throws is printed. */
  upkeep(): Promise<void>
}

export interface SessionServer {
  start(): Promise<void>
  /** Closes every connection and lets the exchange under way end. */
  stop(): Promise<void>
}

/** What a client sends before it waits for an answer. */
interface Exchange {
  readonly socket: Socket
  readonly messages: readonly Uint8Array[]
  /** It ended with Flush: its statement and portal are still needed. */
  readonly unfinished: boolean
}

/**
 * Many connections over the one session of PGlite. What a client sends up to the point where it waits (Parse, Bind,
 * Execute, Sync, or one Query) is run as a whole before anybody else's, because the unnamed statement and portal belong to
 * the session; and while a client is in a transaction, the session is its alone. A client that goes away in a transaction
 * has it rolled back. (@electric-sql/pglite-socket 0.2 queues single messages: with several clients, a message longer than
 * one read of the socket, or a transaction, mixes their statements.)
 */
export function createSessionServer(options: SessionServerOptions): SessionServer {
  const { database, socketPath, maxConnections, idleTimeoutMs, upkeep } = options
  const sockets = new Set<Socket>()
  const waiting: Exchange[] = []
  /** Whose transaction is open, or whose statement is not finished. */
  let holder: Socket | null = null
  let busy = false
  let running: Promise<void> = Promise.resolve()

  const next = (): Exchange | undefined => {
    const index = holder === null ? 0 : waiting.findIndex(({ socket }) => socket === holder)
    return index < 0 ? undefined : waiting.splice(index, 1)[0]
  }

  const run = async ({ socket, messages, unfinished }: Exchange): Promise<void> => {
    await database.runExclusive(async () => {
      for (const message of messages) {
        await database.execProtocolRawStream(message, {
          // The bytes lie in the memory of the database, which uses it again.
          onRawData: (data) => void (socket.writable && socket.write(Buffer.from(data))),
        })
      }
    })
    holder = unfinished || database.isInTransaction() ? socket : null
  }

  const runAll = async (): Promise<void> => {
    for (;;) {
      if (holder?.destroyed) {
        await database.exec('ROLLBACK')
        holder = null
      }
      const exchange = next()
      if (exchange === undefined) {
        busy = false
        return
      }
      const { socket } = exchange
      try {
        await run(exchange)
        socket.resume()
      } catch {
        // Not an error of SQL, which is an answer like others: the database itself failed.
        socket.destroy()
        if (database.isInTransaction()) holder = socket
      }
      if (holder === null) await upkeep().catch((thrown: unknown) => console.error(thrown))
    }
  }

  const work = (): void => {
    if (busy) return
    busy = true
    running = runAll()
  }

  const accept = (socket: Socket): void => {
    if (sockets.size >= maxConnections) {
      socket.on('error', () => {})
      socket.end('Too many connections\n', () => socket.destroy())
      return
    }
    sockets.add(socket)
    const cutter = createMessageCutter()
    socket.setNoDelay(true)
    socket.setTimeout(idleTimeoutMs, () => {
      if (!socket.isPaused()) socket.destroy()
    })
    socket.on('data', (data) => {
      for (const cut of cutter.add(data)) {
        if (cut.kind === 'refuse-encryption') socket.write('N')
        else if (cut.kind === 'end') socket.end()
        else {
          // One exchange at a time for each: what a client may have waiting here is bounded by that.
          socket.pause()
          waiting.push({ socket, messages: cut.messages, unfinished: cut.unfinished })
          work()
        }
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      sockets.delete(socket)
      for (let index = waiting.length - 1; index >= 0; index--) {
        if (waiting[index]?.socket === socket) waiting.splice(index, 1)
      }
      if (holder === socket) work()
    })
  }

  const server = createServer(accept)
  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(socketPath, () => {
          server.off('error', reject)
          resolve()
        })
      }),
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      waiting.length = 0
      for (const socket of sockets) socket.destroy()
      await closed
      await running
    },
  }
}
