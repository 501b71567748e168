import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createSilentLog } from '@inferq/runtime'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStore, type Store } from '../src/index.ts'
import { endOf, jobSpec } from './support/jobs.ts'

function storeOn(url: string): Store {
  const store = createStore({ url, log: createSilentLog(), statementTimeoutMs: 200 })
  onTestFinished(() => store.close())
  return store
}

async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  return `postgres://postgres@127.0.0.1:${typeof address === 'object' ? address?.port : 0}/postgres`
}

describe('a store without a database', () => {
  it.each([
    ['accepts nothing, as nobody listens', async () => 'postgres://postgres@127.0.0.1:1/postgres'],
    ['hangs, as a host behind a broken network does', () => listen(() => {})],
    ['closes every connection', () => listen((socket) => socket.destroy())],
  ])('answers service_unavailable in time when the server %s', async (_case, start) => {
    const store = storeOn(await start())
    const spec = jobSpec()
    const calls = [
      store.insertAccepted([spec]),
      store.markEnqueued([spec.id]),
      store.getJob(spec.id, 'owner'),
      store.listJobs('owner', { limit: 1 }),
      store.commitOutcomes([endOf(spec)]),
      store.claimUnqueued({ limit: 1, leaseMs: 1 }),
      store.migrate(),
      store.ping(),
    ]
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'service_unavailable' } })
    }
  })
})
