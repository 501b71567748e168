import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { type BullData, readData } from './bull-jobs.ts'

const pageSize = 200

/**
 * Gives every job that waits or is delayed the place it has now. One that moves meanwhile is found again or has its place
 * already, so it may be done again, and by several at once. Gives how many had another place. Stops when `signal` is aborted.
 */
export async function renumberJobs(
  queue: Queue<BullData>,
  redis: Redis,
  placeOf: (at: number) => number,
  signal: AbortSignal,
): Promise<number> {
  let moved = 0

  const renumber = async (id: string): Promise<void> => {
    const [data, priority] = await redis.hmget(queue.toKey(id), 'data', 'priority')
    if (data == null) return
    const place = placeOf(readData(data).at)
    if (place === Number(priority)) return
    const job = await queue.getJob(id)
    if (job === undefined) return
    await job.changePriority({ priority: place })
    moved++
  }

  for (const key of [queue.toKey('prioritized'), queue.toKey('delayed')]) {
    // In their order: of those who have the same place the first to be moved goes first.
    const ids = await redis.zrange(key, '0', '-1')
    for (let start = 0; start < ids.length; start += pageSize) {
      signal.throwIfAborted()
      await Promise.all(ids.slice(start, start + pageSize).map(renumber))
    }
  }
  return moved
}
