import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** What stands before several ingresses: it asks each whether it is ready, and gives new connections to those that are. */
export interface Balancer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  isReady(target: string): boolean
  /** Connections that met nobody, or a target that did not take them. */
  readonly refused: number
  stop(): Promise<void>
}

const askEveryMs = 200
const askTimeoutMs = 2_000

/** A balancer of TCP connections, in turn. It tries no second target: what reaches a stopped one has failed. */
export async function startBalancer(targets: readonly string[]): Promise<Balancer> {
  const ready = new Set<string>()
  const open = new Set<Socket>()
  let turn = 0
  let refused = 0
  let asking: NodeJS.Timeout | undefined
  let stopped = false

  const ask = async (target: string): Promise<void> => {
    const isReady = await fetch(`${target}/health/readiness`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(askTimeoutMs),
    }).then(
      async (response) => {
        await response.arrayBuffer()
        return response.ok
      },
      () => false,
    )
    if (isReady) ready.add(target)
    else ready.delete(target)
  }
  const askAll = async (): Promise<void> => {
    await Promise.all(targets.map(ask))
    if (!stopped) asking = setTimeout(askAll, askEveryMs)
  }

  const server = createServer((client) => {
    const target = [...ready][turn++ % Math.max(1, ready.size)]
    if (target === undefined) {
      refused++
      client.destroy()
      return
    }
    const { hostname, port } = new URL(target)
    const upstream = connect(Number(port), hostname)
    let connected = false
    upstream.once('connect', () => {
      connected = true
    })
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from)
      from.pipe(to)
      from.on('error', () => {})
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
    upstream.once('close', () => {
      if (!connected) refused++
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await askAll()
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    isReady: (target) => ready.has(target),
    get refused() {
      return refused
    },
    async stop() {
      stopped = true
      clearTimeout(asking)
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
