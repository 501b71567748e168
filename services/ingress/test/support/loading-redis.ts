import { createServer } from 'node:net'

/** Answers as a Redis does that still reads its data: tells about itself, and puts everything else off. */
export async function startLoadingRedis(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const sockets = new Set<{ destroy(): void }>()
  const info = 'redis_version:7.0.0\r\nloading:1\r\nloading_eta_seconds:1\r\n'
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data) => {
      // Commands are lists of strings: their names are the first.
      for (const [, name] of data.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n/g)) {
        const command = name?.toUpperCase()
        if (command === 'INFO') socket.write(`$${info.length}\r\n${info}\r\n`)
        else if (command === 'HELLO') socket.write('-NOPROTO unsupported protocol version\r\n')
        else if (command === 'CLIENT') socket.write('+OK\r\n')
        else socket.write('-LOADING Redis is loading the dataset in memory\r\n')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    port: address.port,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
