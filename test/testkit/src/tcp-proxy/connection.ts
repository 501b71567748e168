import { createConnection, type Socket } from 'node:net'
import { createFlow, type Flow } from './flow.ts'

/** Where connections lead to: a port of this machine (or of another), or a unix socket. */
export type ProxyTarget = { readonly port: number; readonly host?: string } | { readonly path: string }

/** A client's connection, and the one made for it to the target. */
export interface Connection {
  setDelay(delayMs: number): void
  /** Nothing gets through any more, in either direction, and neither side hears of the other's end. */
  swallow(): void
  /** It goes on; but one that has lost something is cut, as a half-open connection is by the side that knows nothing of it. */
  recover(): void
  /** Ends both sides with a reset. */
  cut(): void
  /** Ends both sides with a reset; while nothing gets through, the client hears of it only when it goes on. */
  cutBehind(): void
}

export interface ConnectionOptions {
  readonly target: ProxyTarget
  readonly delayMs: number
  /** Nothing gets through at its beginning: the target hears of it at `recover`. */
  readonly swallows: boolean
  /** Both sides are closed. */
  readonly onClosed: () => void
}

/** Leads a client to the target, for as long as both want. */
export function leadThrough(client: Socket, options: ConnectionOptions): Connection {
  let { delayMs, swallows } = options
  let hasLost = false
  let upstream: Socket | undefined
  let flows: readonly Flow[] = []

  const closed = (side: Socket, other: () => Socket | undefined): void => {
    if (swallows) {
      hasLost = true
      return
    }
    const isWhole = side.errored === null && side.readableEnded && side.writableFinished
    const rest = other()
    if (!isWhole && rest !== undefined) reset(rest)
    if (rest === undefined || rest.closed) options.onClosed()
  }
  const watch = (side: Socket, other: () => Socket | undefined): void => {
    side.setNoDelay(true)
    side.on('error', () => {})
    side.on('close', () => closed(side, other))
  }
  const lose = (): void => {
    if (upstream === undefined) hasLost = true
  }
  const open = (): void => {
    upstream = createConnection({ ...options.target, allowHalfOpen: true })
    watch(upstream, () => client)
    flows = [createFlow(client, upstream), createFlow(upstream, client)]
    for (const flow of flows) flow.setDelay(delayMs)
  }
  const cut = (): void => {
    swallows = false
    for (const flow of flows) flow.stop()
    const sides = upstream === undefined ? [client] : [client, upstream]
    if (sides.every((side) => side.closed)) options.onClosed()
    for (const side of sides) reset(side)
  }

  watch(client, () => upstream)
  if (swallows) client.on('data', lose).on('end', lose)
  else open()
  return {
    setDelay(ms) {
      delayMs = ms
      for (const flow of flows) flow.setDelay(ms)
    },
    swallow() {
      swallows = true
      for (const flow of flows) flow.swallow(true)
    },
    recover() {
      if (!swallows) return
      if (hasLost || flows.some((flow) => flow.hasLost)) {
        cut()
        return
      }
      swallows = false
      if (upstream === undefined) open()
      for (const flow of flows) flow.swallow(false)
    },
    cut,
    cutBehind() {
      if (!swallows) {
        cut()
        return
      }
      hasLost = true
      if (upstream !== undefined) reset(upstream)
    },
  }
}

/** With an RST where that can be had: not on a unix socket, and not behind bytes that nobody takes. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  const isTcp = socket.remoteFamily !== undefined
  if (isTcp && !socket.connecting && socket.writableLength === 0) socket.resetAndDestroy()
  else socket.destroy()
}
