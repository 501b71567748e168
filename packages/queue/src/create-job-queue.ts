import type { RedisKeys } from '@inferq/contracts'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { type BullData, bullId, bullOptions, jobIdOf, readData } from './bull-jobs.ts'
import { lineKeys } from './direct/slots.ts'
import type { StartHead } from './direct/starts.ts'
import type { CancelBroadcast, JobQueue, JobReference, Placing } from './job-queue.ts'
import { renumberJobs } from './renumber-jobs.ts'
import { toUnavailable } from './unavailable.ts'

export interface JobQueueOptions {
  /** Commands only. Without an offline queue, so that a producer hears at once that Redis is away. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly placing: Placing
  readonly log: { warn(fields: object, event: string): void }
}

type Placed = ReturnType<Placing['place']>

/** Nobody reads BullMQ's events here: the token log tells more. It insists on a stream, so keep it short. */
const eventsKept = 100
const heldPageSize = 500
/** How far from the front the oldest is looked for. */
const oldestAmong = 1_000

/** The producing side over BullMQ: one queue per model class, made when it is first used. */
export function createJobQueue({ redis, keys, placing, log }: JobQueueOptions): JobQueue {
  const queues = new Map<string, Queue<BullData>>()

  const queueOf = (modelClass: string): Queue<BullData> => {
    let queue = queues.get(modelClass)
    if (queue === undefined) {
      queue = new Queue<BullData>(keys.queueName(modelClass), {
        connection: redis,
        prefix: keys.queuePrefix(modelClass),
        streams: { events: { maxLen: eventsKept } },
        skipWaitingForReady: true,
      })
      queue.on('error', (error) => log.warn({ class: modelClass, error: error.message }, 'queue-error'))
      queues.set(modelClass, queue)
      forgetUnlessReady(modelClass, queue)
    }
    return queue
  }

  /** A queue that was made while Redis was away stays as it is for good (BullMQ 6.7): the next use makes another. */
  const forgetUnlessReady = (modelClass: string, queue: Queue<BullData>): void => {
    queue.waitUntilReady().catch(async () => {
      queues.delete(modelClass)
      await queue.close().catch((): void => {})
    })
  }

  const add = async (reference: JobReference, placed: Placed, delayMs: number): Promise<void> => {
    const { share, tier, prefix } = reference
    const data = { ...share, tier, at: placed.at, ...(prefix === undefined ? {} : { prefix }) }
    await queueOf(reference.class)
      .add(reference.type, data, bullOptions(reference, placed.place, delayMs))
      .catch(toUnavailable)
  }

  const place = ({ class: name, share, tier }: JobReference): Placed => placing.place(name, { ...share, tier })

  return {
    async enqueue(reference, delayMs = 0, at) {
      const ready = placing.ready(reference.class)
      if (ready !== undefined) await ready
      const placed = at === undefined ? place(reference) : { at, place: placing.placeOf(reference.class, at) }
      await add(reference, placed, delayMs)
    },

    async startOrEnqueue(reference, open) {
      const { class: name, prefix } = reference
      const ready = placing.ready(name)
      if (ready !== undefined) await ready
      const placed = place(reference)
      const isStarted = await open({
        slots: keys.slots(name),
        leases: keys.leases(name),
        line: lineKeys(keys, name),
        channels: keys.starts(''),
        alive: keys.alive(''),
        head: JSON.stringify({ class: name, jobId: reference.jobId, at: placed.at } satisfies StartHead),
        isParticular: prefix !== undefined,
      })
      if (!isStarted) await add(reference, placed, 0)
    },

    async position(reference) {
      const queue = queueOf(reference.class)
      const id = bullId(reference)
      const [rank, ahead] = await Promise.all([
        redis.zrank(queue.toKey('prioritized'), id),
        redis.llen(queue.toKey('wait')),
      ]).catch(toUnavailable)
      return rank === null ? null : ahead + rank + 1
    },

    async remove(reference) {
      const queue = queueOf(reference.class)
      const id = bullId(reference)
      const data = await redis.hget(queue.toKey(id), 'data').catch(toUnavailable)
      if (data === null) return 'absent'
      if ((await queue.remove(id).catch(toUnavailable)) !== 1) return 'active'
      const { tenant, weight, tokens, tier } = readData(data)
      placing.left(reference.class, { tenant, weight, tokens, tier })
      return 'removed'
    },

    async depth(modelClass) {
      const [counts, started] = await Promise.all([
        queueOf(modelClass).getJobCounts('wait', 'prioritized', 'active', 'delayed'),
        redis.zcard(keys.leases(modelClass)),
      ]).catch(toUnavailable)
      return {
        class: modelClass,
        waiting: (counts['wait'] ?? 0) + (counts['prioritized'] ?? 0),
        active: (counts['active'] ?? 0) + started,
        delayed: counts['delayed'] ?? 0,
      }
    },

    async oldestAt(modelClass) {
      const queue = queueOf(modelClass)
      const ids = await redis.zrange(queue.toKey('prioritized'), '0', String(oldestAmong - 1)).catch(toUnavailable)
      const times = await Promise.all(ids.map((id) => redis.hget(queue.toKey(id), 'timestamp'))).catch(toUnavailable)
      // Some may have been taken between the two looks.
      const known = times.filter((time) => time !== null).map(Number)
      return known.length === 0 ? null : Math.min(...known)
    },

    async renumber(modelClass, signal) {
      return renumberJobs(queueOf(modelClass), redis, (at) => placing.placeOf(modelClass, at), signal).catch(
        toUnavailable,
      )
    },

    async *held(modelClass) {
      const queue = queueOf(modelClass)
      // Short lists: what runs, and what was put back to run at once.
      const lists = await Promise.all(
        [queue.toKey('active'), queue.toKey('wait')].map((key) => redis.lrange(key, 0, -1)),
      ).catch(toUnavailable)
      yield [...new Set(lists.flat().map(jobIdOf))]
      for (const key of [queue.toKey('prioritized'), queue.toKey('delayed')]) {
        let cursor = '0'
        do {
          const [next, found] = await redis.zscan(key, cursor, 'COUNT', heldPageSize).catch(toUnavailable)
          cursor = next
          // Each with its score behind it.
          yield found.filter((_, index) => index % 2 === 0).map(jobIdOf)
        } while (cursor !== '0')
      }
    },

    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()))
      queues.clear()
    },
  }
}

/** Publishes cancellations; every worker listens. */
export function createCancelBroadcast({ redis, keys }: Pick<JobQueueOptions, 'redis' | 'keys'>): CancelBroadcast {
  return {
    async announce(jobId) {
      await redis.publish(keys.cancellations(), jobId).catch(toUnavailable)
    },
  }
}
