import { createServer } from 'node:net'

/** Below what systems give to outgoing connections (Linux: from 32,768), so that nobody takes them while their server is down. */
const firstPort = 18_000
const lastPort = 31_000

/** So many ports of 127.0.0.1 that nobody listens on. */
export async function choosePorts(count: number): Promise<readonly number[]> {
  const chosen = new Set<number>()
  while (chosen.size < count) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort))
    if (await isFree(port)) chosen.add(port)
  }
  return [...chosen]
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
