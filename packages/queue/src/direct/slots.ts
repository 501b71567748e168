import type { RedisKeys } from '@inferq/contracts'
import { defineScript } from '@inferq/runtime'
import type { Redis } from 'ioredis'

/**
 * KEYS[1] slots offered for the class · KEYS[2] leases · KEYS[3] list and KEYS[4] sorted set of those who wait in line
 * ARGV[1] worker · ARGV[2] slots to offer more; below 0: to take back · then ids of jobs that have ended
 * Gives by how many its offer has changed: a slot is kept for each one who waits, and what was given away is not taken back.
 * Nothing: there is nothing to take back from, for nobody knows of this worker.
 */
const changeLua = `
for i = 3, #ARGV do
  redis.call('ZREM', KEYS[2], ARGV[i])
end
local change = tonumber(ARGV[2])
if change > 0 then
  change = math.max(0, change - redis.call('LLEN', KEYS[3]) - redis.call('ZCARD', KEYS[4]))
end
if change < 0 then
  local offered = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if not offered then
    return false
  end
  change = -math.min(-change, tonumber(offered))
end
if change ~= 0 then
  redis.call('ZINCRBY', KEYS[1], change, ARGV[1])
end
return change
`

/**
 * KEYS[1] slots offered for the class · KEYS[2] leases · KEYS[3] says that the worker is alive
 * ARGV[1] worker · ARGV[2] length of a lease, ms · ARGV[3] how long it may stay silent, ms · then ids of jobs that run
 * Gives what it offers (an empty string: nobody knows of it), then the jobs whose lease was lost.
 */
const renewLua = `
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
local reply = { redis.call('ZSCORE', KEYS[1], ARGV[1]) or '' }
local time = redis.call('TIME')
local till = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
for i = 4, #ARGV do
  if redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    redis.call('ZADD', KEYS[2], till, ARGV[i])
  else
    reply[#reply + 1] = ARGV[i]
  end
end
return reply
`

/**
 * KEYS[1] leases · KEYS[2] slots offered for the class · ARGV[1] at most so many · ARGV[2] prefix of what says a worker is alive
 * Gives the jobs whose lease has run out. Forgets workers that died with nothing to offer: nobody would try to give them a job.
 */
const expiredLua = `
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', 0, 'LIMIT', 0, ARGV[1])) do
  if redis.call('EXISTS', ARGV[2] .. worker) == 0 then
    redis.call('ZREM', KEYS[2], worker)
  end
end
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000), 'LIMIT', 0, ARGV[1])
`

/** The slots that one worker offers for a class to jobs that need not wait, and the leases of those it was given. */
export interface Slots {
  /**
   * Offers more slots, or takes some back, and gives up the leases of jobs that have ended. Gives by how many the offer
   * has changed: less is offered by one for each who waits in line, and less is taken back when the rest is given away.
   * Null: nobody knows of an offer to take back from.
   */
  change(count: number, endedJobs: readonly string[]): Promise<number | null>
  /** Whether another worker offers any. */
  areElsewhere(): Promise<boolean>
  /** Offers nothing any more. */
  clear(): Promise<void>
  /** Says that this worker is alive, and prolongs leases. `lost`: jobs that others have taken over. */
  renew(jobs: readonly string[]): Promise<{ readonly isKnown: boolean; readonly lost: readonly string[] }>
  /** Jobs of any worker whose lease has run out. */
  expired(): Promise<readonly string[]>
  forget(jobs: readonly string[]): Promise<void>
}

export interface SlotsOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly class: string
  readonly workerId: string
  /** Of a job that is not renewed. */
  readonly leaseMs: number
  /** A worker that says nothing for so long is given no jobs. */
  readonly silenceMs: number
}

const expiredAtOnce = 20

/** All methods reject when Redis does not answer. */
export function createSlots(options: SlotsOptions): Slots {
  const { redis, keys, workerId, leaseMs, silenceMs } = options
  const slots = keys.slots(options.class)
  const leases = keys.leases(options.class)
  const line = lineKeys(keys, options.class)
  const change = defineScript(redis, { name: 'inferqSlotsChange', lua: changeLua, numberOfKeys: 4 })
  const renew = defineScript(redis, { name: 'inferqSlotsRenew', lua: renewLua, numberOfKeys: 3 })
  const expired = defineScript(redis, { name: 'inferqLeasesExpired', lua: expiredLua, numberOfKeys: 2 })

  return {
    change: async (count, endedJobs) =>
      (await change(slots, leases, ...line, workerId, count, ...endedJobs)) as number | null,
    async areElsewhere() {
      const [first, most = 0, , more = 0] = await redis.zrevrange(slots, 0, 1, 'WITHSCORES')
      return Number(first === workerId ? more : most) > 0
    },
    async clear() {
      await redis.zrem(slots, workerId)
    },
    async renew(jobs) {
      const reply = await renew(slots, leases, keys.alive(workerId), workerId, leaseMs, silenceMs, ...jobs)
      const [score, ...lost] = reply as readonly string[]
      return { isKnown: score !== '', lost }
    },
    expired: async () => (await expired(leases, slots, expiredAtOnce, keys.alive(''))) as readonly string[],
    async forget(jobs) {
      await redis.zrem(leases, ...jobs)
    },
  }
}

/** BullMQ's keys of the jobs that wait in a class: those put back to run at once, and those with a place. */
export function lineKeys(keys: RedisKeys, modelClass: string): readonly [string, string] {
  const queue = `${keys.queuePrefix(modelClass)}:${keys.queueName(modelClass)}`
  return [`${queue}:wait`, `${queue}:prioritized`]
}
