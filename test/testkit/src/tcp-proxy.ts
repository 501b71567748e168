import { createServer, type Server, type Socket } from 'node:net'
import { type Connection, leadThrough, type ProxyTarget } from './tcp-proxy/connection.ts'

export type { ProxyTarget } from './tcp-proxy/connection.ts'

/**
 * Stands between clients and a server, and does what networks do. `pass`, `blackhole`, `delay` and `refuse` each end what
 * was set before; `reset` and `retarget` leave it as it is. All take effect at once.
 */
export interface TcpProxy {
  /** On 127.0.0.1; the same for good. */
  readonly port: number
  /** Everything gets through, as at the beginning. Connections that have lost bytes in a black hole are reset. */
  pass(): void
  /** Nothing gets through in either direction, ends included. Connections stay open, and new ones are taken. */
  blackhole(): void
  /** Everything arrives later by so much, in its order. */
  delay(delayMs: number): void
  /** New connections are refused; those that are open go on (`reset` ends them). */
  refuse(): void
  /** Ends every open connection with an RST, on both sides. */
  reset(): void
  /** Ends open connections with an RST (in a black hole, clients hear of it after it); new ones lead to the new target. */
  retarget(target: ProxyTarget): void
  /** Ends everything. */
  stop(): Promise<void>
}

type Mode = { readonly kind: 'pass' | 'blackhole' | 'delay' | 'refuse'; readonly delayMs: number }

const listenAgainMs = 20

/** Listens on 127.0.0.1, on the port given or a free one. A target that refuses shows as a connection that is reset. */
export async function startTcpProxy(target: ProxyTarget, options: { readonly port?: number } = {}): Promise<TcpProxy> {
  const connections = new Set<Connection>()
  let leadsTo = target
  let mode: Mode = { kind: 'pass', delayMs: 0 }
  let server = createServer({ allowHalfOpen: true }, accept)
  let again: NodeJS.Timeout | undefined
  let isStopped = false
  const port = await listen(server, options.port ?? 0)

  function accept(client: Socket): void {
    const connection = leadThrough(client, {
      target: leadsTo,
      delayMs: mode.delayMs,
      swallows: mode.kind === 'blackhole',
      onClosed: () => void connections.delete(connection),
    })
    connections.add(connection)
  }
  /** The port may be another's for a moment: then it is tried again, until it is ours or no longer wanted. */
  function listenAgain(): void {
    if (server.listening) return
    const next = createServer({ allowHalfOpen: true }, accept)
    server = next
    next.on('error', () => {
      again = setTimeout(listenAgain, listenAgainMs)
    })
    // Listening takes a moment, in which somebody may have thought otherwise.
    next.on('listening', () => {
      if (isStopped || mode.kind === 'refuse') next.close()
    })
    next.listen(port, '127.0.0.1')
  }
  function set(next: Mode): void {
    const before = mode.kind
    mode = next
    clearTimeout(again)
    if (next.kind === 'refuse') server.close()
    else if (before === 'refuse') listenAgain()
    for (const connection of connections) {
      if (next.kind === 'blackhole') connection.swallow()
      else connection.recover()
      connection.setDelay(next.delayMs)
    }
  }
  function reset(): void {
    for (const connection of connections) connection.cut()
  }

  return {
    port,
    pass: () => set({ kind: 'pass', delayMs: 0 }),
    blackhole: () => set({ kind: 'blackhole', delayMs: 0 }),
    delay: (delayMs) => set({ kind: 'delay', delayMs }),
    refuse: () => set({ kind: 'refuse', delayMs: 0 }),
    reset,
    retarget(next) {
      leadsTo = next
      for (const connection of connections) connection.cutBehind()
    },
    async stop() {
      isStopped = true
      clearTimeout(again)
      reset()
      if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('no port'))
    })
  })
}
