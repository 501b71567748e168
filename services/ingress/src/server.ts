import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ErrorDetail } from '@inferq/contracts'
import { createService, type Deadline, orAborted, type Service } from '@inferq/runtime'
import type { FastifyInstance } from 'fastify'
import { createApp } from './app.ts'
import type { IngressCore } from './dependencies.ts'

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0: any free one. */
  readonly port: number
}

export interface IngressServer extends Service {
  /** Builds all that can be built before there are connections: it keeps the event loop busy for a while. */
  readonly prepared: Service
  /** `http://127.0.0.1:4000`; only after `start`. */
  url(): string
}

/**
 * The listening ingress.
 * `quiet`: no new connections, idle ones are closed, each answer closes its own; readers of events are sent away to read
 * on elsewhere; clients that wait for an answer stay. `stop`: waits for these until the deadline, then lets them down.
 */
export function createIngressServer(core: IngressCore, listen: ListenOptions): IngressServer {
  const host = listen.host ?? '127.0.0.1'
  let app: FastifyInstance | undefined
  let closed: Promise<void> | undefined
  const sockets = new Set<Socket>()

  const quiet = (): void => {
    if (closed !== undefined || app === undefined) return
    const { server } = app
    core.stopping = true
    closed = new Promise((resolve) => server.close(() => resolve()))
    for (const reader of [...core.readers]) if (!reader.isAnswer) reader.dismiss('server stopping')
    for (const endWait of [...core.waits]) endWait()
    server.closeIdleConnections()
  }

  /** Connections go one by one as their answers end. At the deadline those still waiting are told so. */
  const drain = async (server: Server, allClosed: Promise<void>, deadline: Deadline): Promise<void> => {
    const sweep = setInterval(() => {
      server.closeIdleConnections()
      closeUnused(sockets)
    }, idleSweepMs)
    try {
      await orAborted(allClosed, deadline.signal)
    } catch {
      for (const exchange of [...core.exchanges]) exchange.abandon(stopping)
      for (const reader of [...core.readers]) reader.dismiss('server stopping')
      await core.background.idle()
      // What was just written leaves before the connections are cut.
      await new Promise<void>((resolve) => setTimeout(resolve, idleSweepMs))
      server.closeAllConnections()
      await allClosed
    } finally {
      clearInterval(sweep)
    }
  }

  const prepared = createService({
    name: 'app',
    async start() {
      app = await createApp(core)
    },
    // The server closes it; without one it holds nothing open.
    async stop() {},
  })

  const service = createService({
    name: 'ingress',
    async start() {
      app ??= await createApp(core)
      const { server } = app
      server.on('connection', (socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port: listen.port }, () => {
          server.off('error', reject)
          resolve()
        })
      })
    },
    quiet,
    async stop(deadline) {
      quiet()
      if (app !== undefined && closed !== undefined) await drain(app.server, closed, deadline)
      await core.background.idle()
      core.beats.stop()
      await app?.close()
    },
  })

  return {
    ...service,
    prepared,
    url() {
      const address = app?.server.address() as AddressInfo | null | undefined
      if (!address) throw new Error('the ingress does not listen')
      return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
    },
  }
}

const idleSweepMs = 100

/** Clients open connections ahead. Node takes one that has not brought a byte yet for busy, and would wait for it. */
function closeUnused(sockets: Iterable<Socket>): void {
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
}

const stopping: ErrorDetail = {
  code: 'service_unavailable',
  message: 'The server is stopping. Please try again.',
  retryAfterSeconds: 1,
}
