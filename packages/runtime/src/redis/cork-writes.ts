import type { Redis } from 'ioredis'

interface CorkableStream {
  destroyed: boolean
  cork(): void
  uncork(): void
  write(...args: unknown[]): boolean
}

const corked = new WeakSet<object>()

/**
 * Gathers everything written to Redis within one turn of the event loop into one system call, on this connection and
 * on every one it makes after a reconnect. Commands, replies and their order stay as they are; nothing waits longer
 * than to the end of the turn. (Cheaper than ioredis' autopipelining, which copies each script call.)
 */
export function corkWrites(redis: Redis): void {
  redis.on('connect', () => corkStream(redis))
  if (redis.status === 'ready' || redis.status === 'connect') corkStream(redis)
}

function corkStream(redis: Redis): void {
  const { stream } = redis as unknown as { readonly stream?: CorkableStream }
  if (!stream || corked.has(stream)) return
  corked.add(stream)
  const write = stream.write.bind(stream)
  let isCorked = false
  const flush = (): void => {
    isCorked = false
    stream.uncork()
  }
  stream.write = (...args) => {
    if (!isCorked && !stream.destroyed) {
      isCorked = true
      stream.cork()
      setImmediate(flush)
    }
    return write(...args)
  }
}
