import type { RedisKeys } from '@inferq/contracts'
import { type DeploymentStats, noStats } from '@inferq/routing'
import type { Clock, Redis } from '@inferq/runtime'
import type { SharedTime } from './shared-time.ts'
import { minuteOf, type OwnStats, type Traffic } from './traffic.ts'

export interface StatsExchangeOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly processId: string
  readonly traffic: Traffic
  readonly time: SharedTime
  readonly clock: Clock
  /** How long the word of a process that says nothing more counts. */
  readonly lifetimeMs: number
}

/** Each process tells its calls, all read all: what is told is at most a second or two old, what is ours is fresh. */
export interface StatsExchange {
  stats(id: string): DeploymentStats
  /** Rejects when Redis does not answer. */
  tell(): Promise<void>
  read(): Promise<void>
  leave(): Promise<void>
}

/** Processes beyond are not read. */
const maxProcesses = 500

interface Sum {
  inFlight: number
  latencySum: number
  weight: number
  requests: number
  tokens: number
}

export function createStatsExchange(options: StatsExchangeOptions): StatsExchange {
  const { redis, keys, processId, traffic, time, clock, lifetimeMs } = options
  const own = keys.deploymentStats(processId)
  const index = keys.deploymentStatsIndex()
  let told = { text: '', at: Number.NEGATIVE_INFINITY }
  let others: ReadonlyMap<string, Sum> = new Map()
  /** The minute that the others' requests and tokens are of. */
  let othersMinute = 0
  let nextReadAt = Number.NEGATIVE_INFINITY

  const leave = async (): Promise<void> => {
    await Promise.all([redis.del(own), redis.zrem(index, processId)])
    told = { text: '', at: Number.NEGATIVE_INFINITY }
  }

  return {
    stats(id) {
      const ours = traffic.get(id)
      const theirs = others.get(id)
      if (theirs === undefined) return ours === undefined ? noStats : toStats(add(noSum, ours))
      const counts = ours === undefined || ours.minute === othersMinute ? theirs : { ...theirs, requests: 0, tokens: 0 }
      if (ours === undefined) return toStats(counts)
      return toStats(add(counts, ours))
    },
    async tell() {
      const fields = Object.fromEntries(Array.from(traffic.entries(), ([id, stats]) => [id, format(stats)]))
      const text = JSON.stringify(fields)
      if (text === '{}') {
        if (told.text !== '') await leave()
        return
      }
      if (text === told.text && clock.monotonic() - told.at < lifetimeMs / 3) return
      const nowMs = Math.floor(time.nowMs())
      await Promise.all([
        redis.multi().del(own).hset(own, fields).pexpire(own, lifetimeMs).exec(),
        redis.zadd(index, nowMs, processId),
        redis.zremrangebyscore(index, '-inf', nowMs - lifetimeMs),
        redis.pexpire(index, lifetimeMs * 6),
      ])
      told = { text, at: clock.monotonic() }
    },
    async read() {
      if (clock.monotonic() < nextReadAt) return
      const nowMs = time.nowMs()
      const ids = await redis.zrevrangebyscore(index, '+inf', nowMs - lifetimeMs, 'LIMIT', 0, maxProcesses)
      const otherIds = ids.filter((id) => id !== processId)
      // All read all: with a hundred processes each second, with more less often, so that Redis has time for the jobs.
      nextReadAt = clock.monotonic() + Math.min(4_500, otherIds.length ** 2 / 10 - 500)
      const minute = minuteOf(nowMs)
      others = sumUp(await readAll(redis, otherIds.map(keys.deploymentStats)), minute)
      othersMinute = minute
    },
    leave,
  }
}

async function readAll(redis: Redis, hashes: readonly string[]): Promise<readonly unknown[]> {
  if (hashes.length === 0) return []
  const pipeline = redis.pipeline()
  for (const hash of hashes) pipeline.hgetall(hash)
  const replies = (await pipeline.exec()) ?? []
  return replies.map(([error, fields]) => {
    if (error) throw error
    return fields
  })
}

function sumUp(hashes: readonly unknown[], minute: number): ReadonlyMap<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const hash of hashes) {
    if (typeof hash !== 'object' || hash === null) continue
    for (const [id, text] of Object.entries(hash)) {
      const stats = parse(String(text))
      if (stats === undefined) continue
      const counts = stats.minute === minute ? stats : { ...stats, requests: 0, tokens: 0 }
      sums.set(id, add(sums.get(id) ?? noSum, counts))
    }
  }
  return sums
}

const noSum: Sum = { inFlight: 0, latencySum: 0, weight: 0, requests: 0, tokens: 0 }

function add(sum: Sum, { inFlight, latencyMs, weight, requests, tokens }: Omit<OwnStats, 'minute'>): Sum {
  return {
    inFlight: sum.inFlight + inFlight,
    latencySum: sum.latencySum + (latencyMs ?? 0) * weight,
    weight: sum.weight + (latencyMs === undefined ? 0 : weight),
    requests: sum.requests + requests,
    tokens: sum.tokens + tokens,
  }
}

function toStats({ inFlight, latencySum, weight, requests, tokens }: Sum): DeploymentStats {
  return { inFlight, latencyMs: weight === 0 ? undefined : latencySum / weight, requests, tokens }
}

/** `<in flight> <latency or -> <weight> <minute> <requests> <tokens>` */
function format({ inFlight, latencyMs, weight, minute, requests, tokens }: OwnStats): string {
  return `${inFlight} ${latencyMs === undefined ? '-' : Math.round(latencyMs)} ${weight} ${minute} ${requests} ${tokens}`
}

function parse(text: string): OwnStats | undefined {
  const parts = text.split(' ')
  const [inFlight = Number.NaN, latency, weight = 0, minute = 0, requests = 0, tokens = Number.NaN] = parts.map(Number)
  const latencyMs = parts[1] === '-' ? undefined : latency
  if (parts.length !== 6 || ![inFlight, latencyMs ?? 0, weight, minute, requests, tokens].every(Number.isFinite)) {
    return undefined
  }
  return { inFlight, latencyMs, weight, minute, requests, tokens }
}
