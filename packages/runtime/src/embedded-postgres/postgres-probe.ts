import { createConnection } from 'node:net'

export type PostgresProbeResult = 'ready' | 'busy' | 'silent' | 'absent'

const protocolVersion = 196_608

/**
 * Runs `SELECT 1` over a fresh connection, speaking the protocol itself, so that a wedged socket server shows.
 * `absent`: nobody listens; `busy`: it has no connection left; `silent`: no answer in time, or the signal aborted. Never rejects.
 */
export function probePostgres(
  socketPath: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<PostgresProbeResult> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: socketPath })
    let received = Buffer.alloc(0)
    let readyMessages = 0
    const end = (result: PostgresProbeResult): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(result)
    }
    const onAbort = (): void => end('silent')
    const timer = setTimeout(() => end('silent'), timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.on('connect', () => socket.write(startupMessage()))
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      if (received.toString('latin1', 0, 8) === 'Too many') {
        end('busy')
        return
      }
      while (received.length >= 5 && received.length >= 1 + received.readInt32BE(1)) {
        const type = String.fromCharCode(received[0] ?? 0)
        received = received.subarray(1 + received.readInt32BE(1))
        if (type !== 'Z') continue
        readyMessages++
        if (readyMessages === 1) socket.write(queryMessage('SELECT 1'))
        else {
          socket.write(Buffer.from([0x58, 0, 0, 0, 4]))
          end('ready')
          return
        }
      }
    })
    socket.on('error', () => end('absent'))
    socket.on('close', () => end('silent'))
  })
}

function startupMessage(): Buffer {
  const body = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(protocolVersion, 4)
  return Buffer.concat([head, body])
}

function queryMessage(sql: string): Buffer {
  const body = Buffer.from(`${sql}\0`)
  const head = Buffer.alloc(5)
  head.write('Q', 0)
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}
