import { setTimeout as sleep } from 'node:timers/promises'

/** A look into a Node process over its inspector (Chrome DevTools Protocol). */
export interface Inspector {
  /** Rejects when the process refuses the command or is gone. */
  send(method: string, params?: object): Promise<unknown>
  close(): void
}

interface Reply {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** Connects to a process started with `--inspect=127.0.0.1:<port>`. */
export async function connectInspector(port: number): Promise<Inspector> {
  const list = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(5_000) })
  const [page] = (await list.json()) as { webSocketDebuggerUrl: string }[]
  if (page === undefined) throw new Error(`nothing to inspect at port ${port}`)
  const socket = new WebSocket(page.webSocketDebuggerUrl)
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let lastId = 0
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true })
    socket.addEventListener('error', () => reject(new Error(`no inspector at port ${port}`)), { once: true })
  })
  socket.addEventListener('message', ({ data }) => {
    const reply = JSON.parse(String(data)) as Reply
    if (reply.id === undefined) return
    const waiter = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.error === undefined) waiter?.resolve(reply.result)
    else waiter?.reject(new Error(reply.error.message))
  })
  socket.addEventListener('close', () => {
    for (const waiter of waiting.values()) waiter.reject(new Error('the inspected process is gone'))
    waiting.clear()
  })
  return {
    send(method, params = {}) {
      const id = ++lastId
      const waiter = Promise.withResolvers<unknown>()
      waiting.set(id, waiter)
      socket.send(JSON.stringify({ id, method, params }))
      return waiter.promise
    },
    close: () => socket.close(),
  }
}

/** Frees what is free, and lets the allocator give pages back, before memory is read. */
export async function collectGarbage(inspector: Inspector): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await inspector.send('HeapProfiler.collectGarbage')
    await sleep(300)
  }
}
