import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@inferq/testkit'
import { startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import { describe, expect, it, onTestFinished } from 'vitest'

/** A server that answers each byte with the same, and ends when its client has ended. */
async function startEcho(path?: string) {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('end', () => void socket.end())
    socket.pipe(socket, { end: false })
  })
  await new Promise<void>((resolve) =>
    path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve),
  )
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, sockets }
}

async function startProxy(...args: Parameters<typeof startTcpProxy>): Promise<TcpProxy> {
  const proxy = await startTcpProxy(...args)
  onTestFinished(() => proxy.stop())
  return proxy
}

function dial(port: number) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  const seen = { text: '', ended: false, closed: false, error: '' }
  socket.on('data', (data) => {
    seen.text += data
  })
  socket.on('end', () => {
    seen.ended = true
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = error.code ?? error.message
  })
  socket.on('close', () => {
    seen.closed = true
  })
  return { socket, seen, say: (text: string) => void socket.write(text) }
}

/** A connection over which something has gone already. */
async function dialed(port: number) {
  const client = dial(port)
  client.say('a')
  await until(() => client.seen.text === 'a')
  return client
}

async function echoAndProxy() {
  const echo = await startEcho()
  return { echo, proxy: await startProxy({ port: echo.port }) }
}

describe('the TCP proxy', () => {
  it('passes bytes and half-closed connections on, to a port and to a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inferq-proxy-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'echo.sock')
    await startEcho(path)
    const { port } = await startEcho()
    for (const target of [{ port }, { path }]) {
      const proxy = await startProxy(target)
      const { socket, seen, say } = dial(proxy.port)
      say('whole')
      socket.end(' story')
      await until(() => seen.closed)
      expect(seen).toMatchObject({ text: 'whole story', ended: true, error: '' })
    }
  })

  it('lets a sender wait for a reader that does not read', async () => {
    const { proxy } = await echoAndProxy()
    const { socket } = dial(proxy.port)
    socket.pause()
    const block = Buffer.alloc(1024 * 1024)
    let taken = 0
    while (taken < 256) {
      taken += 1
      if (!socket.write(block) && (await Promise.race([once(socket, 'drain'), idle(socket)])) === 'idle') break
    }
    // What the kernel and the proxy hold, and no more.
    expect(taken).toBeLessThan(256)
    let read = 0
    socket.on('data', (data) => {
      read += data.length
    })
    socket.resume()
    await until(() => read === taken * block.length)
  })

  it('lets nothing through a black hole, and resets after it what has lost bytes', async () => {
    const { echo, proxy } = await echoAndProxy()
    const [sender, listener, quiet] = [await dialed(proxy.port), await dialed(proxy.port), await dialed(proxy.port)]
    const bystander = await dialed(echo.port)
    proxy.blackhole()
    const late = dial(proxy.port)
    const lateAndQuiet = dial(proxy.port)
    await Promise.all([once(late.socket, 'connect'), once(lateAndQuiet.socket, 'connect')])
    sender.say('b')
    late.say('b')
    listener.socket.destroy()
    await passed(bystander)
    expect(echo.sockets.size).toBe(4)
    expect([sender.seen, late.seen, quiet.seen].map(({ closed }) => closed)).toEqual([false, false, false])

    proxy.pass()
    await until(() => sender.seen.closed && late.seen.closed)
    expect([sender.seen, late.seen].map(({ text, error }) => [text, error])).toEqual([
      ['a', 'ECONNRESET'],
      ['', 'ECONNRESET'],
    ])
    quiet.say('c')
    lateAndQuiet.say('c')
    await until(() => quiet.seen.text === 'ac' && lateAndQuiet.seen.text === 'c')
    await until(() => echo.sockets.size === 3)
  })

  it('keeps the answer of a server from its client in a black hole', async () => {
    const { echo, proxy } = await echoAndProxy()
    const client = await dialed(proxy.port)
    proxy.blackhole()
    for (const socket of echo.sockets) socket.end('lost')
    await passed(await dialed(echo.port))
    expect(client.seen).toMatchObject({ text: 'a', ended: false, closed: false })
    proxy.pass()
    await until(() => client.seen.error === 'ECONNRESET')
    expect(client.seen.text).toBe('a')
  })

  it('delays each direction, in order, the end too, until it passes again', async () => {
    const { proxy } = await echoAndProxy()
    const client = await dialed(proxy.port)
    proxy.delay(100)
    const startedAt = performance.now()
    for (const letter of 'bcdefgh') client.say(letter)
    client.socket.end()
    await until(() => client.seen.closed)
    expect(client.seen).toMatchObject({ text: 'abcdefgh', ended: true, error: '' })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195)

    proxy.delay(1_000_000)
    const stuck = dial(proxy.port)
    stuck.say('abc')
    await once(stuck.socket, 'connect')
    await until(() => stuck.socket.bytesWritten === 3)
    proxy.pass()
    await until(() => stuck.seen.text === 'abc')
  })

  it('resets every open connection on both sides, and takes new ones', async () => {
    const { echo, proxy } = await echoAndProxy()
    const clients = [await dialed(proxy.port), await dialed(proxy.port)]
    const errors: (string | undefined)[] = []
    for (const socket of echo.sockets) socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
    proxy.reset()
    await until(() => clients.every(({ seen }) => seen.error === 'ECONNRESET') && echo.sockets.size === 0)
    expect(errors).toEqual(['ECONNRESET', 'ECONNRESET'])
    await dialed(proxy.port)
  })

  it('refuses connections until it passes again on the same port, and leaves open ones', async () => {
    const { proxy } = await echoAndProxy()
    const open = await dialed(proxy.port)
    for (let round = 0; round < 3; round++) {
      proxy.refuse()
      const refused = dial(proxy.port)
      await until(() => refused.seen.error === 'ECONNREFUSED')
      proxy.pass()
      await dialed(proxy.port)
    }
    await passed(open)
    proxy.refuse()
    proxy.pass()
    proxy.refuse()
    await until(async () => {
      const refused = dial(proxy.port)
      await until(() => refused.seen.closed || refused.socket.readyState === 'open')
      return refused.seen.error === 'ECONNREFUSED'
    })
  })

  it('cuts open connections when it gets another target, where new ones go', async () => {
    const { echo, proxy } = await echoAndProxy()
    const other = await startEcho()
    const before = await dialed(proxy.port)
    proxy.retarget({ port: other.port })
    await until(() => before.seen.error === 'ECONNRESET')
    await dialed(proxy.port)
    expect([echo.sockets.size, other.sockets.size]).toEqual([0, 1])
  })

  it('keeps a black hole when it gets another target', async () => {
    const { echo, proxy } = await echoAndProxy()
    const other = await startEcho()
    const quiet = await dialed(proxy.port)
    proxy.blackhole()
    proxy.retarget({ port: other.port })
    await until(() => echo.sockets.size === 0)
    await passed(await dialed(other.port))
    expect(quiet.seen.closed).toBe(false)
    proxy.pass()
    await until(() => quiet.seen.error === 'ECONNRESET')
    await dialed(proxy.port)
    expect([echo.sockets.size, other.sockets.size]).toEqual([0, 2])
  })

  it('resets connections whose target refuses', async () => {
    const { port } = await startEcho()
    const proxy = await startProxy({ port })
    proxy.retarget({ path: '/nowhere/at.all' })
    const client = dial(proxy.port)
    await until(() => client.seen.error === 'ECONNRESET')
    proxy.retarget({ port })
    await dialed(proxy.port)
  })

  it('passes a reset on to the other side', async () => {
    const { echo, proxy } = await echoAndProxy()
    const client = await dialed(proxy.port)
    const [server] = echo.sockets
    const error = new Promise<string | undefined>((resolve) =>
      server?.on('error', (error: NodeJS.ErrnoException) => resolve(error.code)),
    )
    client.socket.resetAndDestroy()
    expect(await error).toBe('ECONNRESET')
  })
})

/** Something has gone there and back: what was sent before it would have arrived. */
async function passed({ seen, say }: Awaited<ReturnType<typeof dialed>>): Promise<void> {
  const before = seen.text.length
  say('z')
  await until(() => seen.text.length > before)
}

/** Nothing more leaves. */
async function idle(socket: Socket): Promise<'idle'> {
  let last = -1
  await until(
    () => {
      const now = socket.bytesWritten - socket.writableLength
      const same = now === last
      last = now
      return same
    },
    { everyMs: 300 },
  )
  return 'idle'
}
