import type { Clock } from '@inferq/runtime'
import type { Worker } from 'bullmq'

/** What a Worker without jobs gets to close itself: one that is wedged, or between two connections, never does. */
const closeMs = 2_000

/** Closes a BullMQ Worker; cuts its connection when it has not closed soon after `idle`, its jobs' end. Never rejects. */
export async function closeWorker(
  worker: Pick<Worker, 'close' | 'backend'>,
  idle: Promise<void>,
  clock: Clock,
): Promise<void> {
  const closed = worker.close().catch((): void => {})
  const isClosed = await Promise.race([closed.then(() => true), idle.then(() => false)])
  if (isClosed) return
  const cut = new AbortController()
  const late = clock.sleep(closeMs, cut.signal).catch((): void => {})
  await Promise.race([closed, late])
  cut.abort()
  await worker.backend.close(true).catch((): void => {})
}
