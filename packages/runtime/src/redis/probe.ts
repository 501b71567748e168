import { createConnection, type NetConnectOpts } from 'node:net'

export type ProbeResult = 'ready' | 'loading' | 'silent' | 'absent'

/**
 * Asks a Redis for PONG over a fresh connection, without a client. `absent`: nobody listens; `loading`: it reads its
 * data; `silent`: it took the connection but gave no proper answer in time. Never rejects.
 */
export function probeRedis(target: NetConnectOpts, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = createConnection(target)
    let received = ''
    const end = (result: ProbeResult): void => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(timeoutMs, () => end('silent'))
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('data', (data) => {
      received += data.toString('latin1')
      if (!received.includes('\r\n')) return
      if (received.startsWith('+PONG')) end('ready')
      else end(received.startsWith('-LOADING') ? 'loading' : 'silent')
    })
    socket.on('error', () => end('absent'))
    socket.on('close', () => end('silent'))
  })
}
