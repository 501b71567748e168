import { setTimeout as sleep } from 'node:timers/promises'

/** Does it now, and again every `everyMs` until the given function is called; that one resolves when nothing of it runs. */
export async function repeatedly(everyMs: number, act: () => unknown): Promise<() => Promise<void>> {
  await act()
  const stopping = new AbortController()
  const loop = (async () => {
    for (;;) {
      const isOver = await sleep(everyMs, false, { signal: stopping.signal }).catch(() => true)
      if (isOver) return
      await act()
    }
  })()
  // Told to whoever stops it.
  loop.catch(() => {})
  return () => {
    stopping.abort()
    return loop
  }
}
