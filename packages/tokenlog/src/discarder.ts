import type { Redis } from 'ioredis'

/** Forgets keys in batches: one command for all that was added within a few milliseconds. */
export interface Discarder {
  add(key: string): void
  close(): Promise<void>
}

const intervalMs = 20

export function createDiscarder(redis: Redis): Discarder {
  let keys: string[] = []
  let timer: NodeJS.Timeout | undefined

  const send = async (): Promise<void> => {
    timer = undefined
    const batch = keys
    keys = []
    // A failure costs memory until the keys expire, nothing else.
    if (batch.length > 0) await redis.unlink(...batch).catch((): number => 0)
  }

  return {
    add(key) {
      keys.push(key)
      timer ??= setTimeout(() => void send(), intervalMs)
    },
    async close() {
      clearTimeout(timer)
      await send()
    },
  }
}
