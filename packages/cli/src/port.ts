import { createServer } from 'node:net'
import { CommandError, exitCodes } from './exit-codes.ts'

/**
 * Finds out whether the address can be listened on, before anything else is started. Throws CommandError 1 when it is
 * taken, or not one of this machine's. (Somebody may still take it in between: the ingress then says the same.)
 */
export async function checkPort(host: string, port: number): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, exclusive: true }, resolve)
    })
  } catch (thrown) {
    throw listenError(thrown, host, port)
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

/** What an error of listening means to the user; other errors come back as they are. */
export function listenError(thrown: unknown, host: string, port: number): unknown {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  const cause = { cause: thrown }
  switch (code) {
    case 'EADDRINUSE': {
      const mend = `stop what listens there, or choose another port: --port ${port + 1} (or PORT=${port + 1})`
      return new CommandError(exitCodes.failed, `port ${port} is in use on ${host}`, mend, cause)
    }
    case 'EACCES': {
      const mend = 'choose a port of 1024 or more with --port'
      return new CommandError(exitCodes.failed, `port ${port} is not allowed to this user`, mend, cause)
    }
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND': {
      const mend = '--host takes an address of this machine, such as 127.0.0.1 or 0.0.0.0'
      return new CommandError(exitCodes.failed, `${host} is no address of this machine`, mend, cause)
    }
    default:
      return thrown
  }
}
