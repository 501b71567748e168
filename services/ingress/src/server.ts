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
 * `quiet`: says that it is not ready, and each answer closes its connection. At once, or after `stopDelayMs` where somebody
 * watches its readiness: no new connections, idle ones are closed; readers of events are sent away to read on elsewhere;
 * clients that wait for an answer stay. `stop`: waits for these until the deadline, then lets them down.
 */
export function createIngressServer(core: IngressCore, listen: ListenOptions): IngressServer {
  const host = listen.host ?? '127.0.0.1'
  let app: FastifyInstance | undefined
  let cancelDelay = (): void => {}
  const closed = Promise.withResolvers<void>()
  const sockets = new Set<Socket>()

  const quiet = (): void => {
    if (core.stopping || app === undefined) return
    core.stopping = true
    const delayMs = isWatched(core) ? core.options.stopDelayMs : 0
    core.log.info({ delayMs, clients: core.exchanges.size, readers: core.readers.size }, 'not-ready-any-more')
    if (delayMs === 0) closeListener()
    else cancelDelay = core.clock.after(delayMs, closeListener)
  }

  const closeListener = (): void => {
    if (core.closing || app === undefined) return
    const { server } = app
    cancelDelay()
    core.closing = true
    server.close(() => closed.resolve())
    for (const reader of [...core.readers]) if (!reader.isAnswer) reader.dismiss('server stopping')
    for (const endWait of [...core.waits]) endWait()
    server.closeIdleConnections()
  }

  /** Connections go one by one as their answers end. At the deadline those still waiting are told so. */
  const drain = async (server: Server, deadline: Deadline): Promise<void> => {
    const sweep = setInterval(() => {
      if (!core.closing) return
      server.closeIdleConnections()
      closeUnused(sockets)
    }, idleSweepMs)
    try {
      await orAborted(closed.promise, deadline.signal)
    } catch {
      closeListener()
      for (const exchange of [...core.exchanges]) exchange.abandon(stopping)
      for (const reader of [...core.readers]) reader.dismiss('server stopping')
      await core.background.idle()
      // What was just written leaves before the connections are cut.
      await new Promise<void>((resolve) => setTimeout(resolve, idleSweepMs))
      server.closeAllConnections()
      await closed.promise
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
      if (app !== undefined) await drain(app.server, deadline)
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
/** Balancers ask more often than this. */
const watchedWithinMs = 60_000

function isWatched({ readinessAskedAt, clock }: IngressCore): boolean {
  return readinessAskedAt !== undefined && clock.monotonic() - readinessAskedAt < watchedWithinMs
}

/** Clients open connections ahead. Node takes one that has not brought a byte yet for busy, and would wait for it. */
function closeUnused(sockets: Iterable<Socket>): void {
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
}

const stopping: ErrorDetail = {
  code: 'service_unavailable',
  message: 'The server is stopping. Please try again.',
  retryAfterSeconds: 1,
}
