import { createConnection, createServer, type NetConnectOpts, type Socket } from 'node:net'

/** Stands between a client and a server, and can swallow what goes through it. */
export interface TcpProxy {
  readonly port: number
  /** From now on nothing gets through, in either direction; connections stay open and new ones are taken. */
  blackhole(): void
  stop(): Promise<void>
}

export async function startTcpProxy(target: NetConnectOpts): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let open = true
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('data', (data) => {
      if (open) to.write(data)
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = createServer((client) => {
    const upstream = createConnection(target)
    pass(client, upstream)
    pass(upstream, client)
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('no port'))
    })
  })
  return {
    port,
    blackhole() {
      open = false
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
