import { createConnection } from 'node:net'

/** As much of a Postgres client as the tests here need (pg belongs to the store): simple queries, first column as text. */
export interface PostgresClient {
  query(sql: string): Promise<readonly (string | null)[]>
  close(): void
}

export async function connectPostgres(socketPath: string): Promise<PostgresClient> {
  const socket = createConnection({ path: socketPath })
  let received = Buffer.alloc(0)
  let rows: (string | null)[] = []
  let failure: Error | undefined
  let waiting = Promise.withResolvers<readonly (string | null)[]>()

  socket.on('data', (data) => {
    received = Buffer.concat([received, data])
    while (received.length >= 5 && received.length >= 1 + received.readInt32BE(1)) {
      const type = String.fromCharCode(received[0] ?? 0)
      const body = received.subarray(5, 1 + received.readInt32BE(1))
      received = received.subarray(1 + received.readInt32BE(1))
      if (type === 'D') rows.push(firstColumn(body))
      if (type === 'E') failure = new Error(body.toString('utf8').replaceAll('\0', ' '))
      if (type !== 'Z') continue
      if (failure) waiting.reject(failure)
      else waiting.resolve(rows)
    }
  })
  const lost = (): void => waiting.reject(new Error('the connection was closed'))
  socket.on('error', lost)
  socket.on('close', lost)

  const ask = (message: Buffer): Promise<readonly (string | null)[]> => {
    rows = []
    failure = undefined
    waiting = Promise.withResolvers()
    // Closing is not awaited by anybody: it must not count as unhandled.
    waiting.promise.catch(() => {})
    socket.write(message)
    return waiting.promise
  }
  const startup = Buffer.from('\0\0\0\0\0\x03\0\0user\0postgres\0database\0postgres\0\0', 'latin1')
  startup.writeInt32BE(startup.length, 0)
  await ask(startup)
  return {
    query(sql) {
      const message = Buffer.from(`Q\0\0\0\0${sql}\0`)
      message.writeInt32BE(message.length - 1, 1)
      return ask(message)
    },
    close: () => socket.destroy(),
  }
}

function firstColumn(body: Buffer): string | null {
  const length = body.readInt32BE(2)
  return length < 0 ? null : body.toString('utf8', 6, 6 + length)
}
