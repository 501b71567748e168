import type { RedisKeys } from '@inferq/contracts'
import type { Redis } from 'ioredis'

export interface OutcomeBacklog {
  /** Messages not recorded yet. */
  readonly length: number
  /** When the oldest of them was written (ms epoch, Redis's clock); null when there is none. */
  readonly oldestAt: number | null
}

export async function inspectOutcomes(redis: Redis, keys: RedisKeys): Promise<OutcomeBacklog> {
  const [length, oldest] = await Promise.all([
    redis.xlen(keys.outcomes()),
    redis.xrange(keys.outcomes(), '-', '+', 'COUNT', 1),
  ])
  const id = oldest[0]?.[0]
  return { length, oldestAt: id === undefined ? null : Number(id.split('-')[0]) }
}

/** What the messages that are not recorded take, and what there is to take. */
export interface OutcomeWeight {
  readonly length: number
  /** Estimated from a few of them. */
  readonly bytes: number
  /** Redis's `maxmemory`; null where it has none. */
  readonly maxMemoryBytes: number | null
}

const sampledEntries = 20

/** One round trip, cheap however many there are. */
export async function weighOutcomes(redis: Redis, keys: RedisKeys): Promise<OutcomeWeight> {
  const [length, bytes, info] = await Promise.all([
    redis.xlen(keys.outcomes()),
    redis.memory('USAGE', keys.outcomes(), 'SAMPLES', sampledEntries),
    redis.info('memory'),
  ])
  const maxMemory = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0)
  return { length, bytes: bytes ?? 0, maxMemoryBytes: maxMemory === 0 ? null : maxMemory }
}

/** The latest entry ever written to the stream; `0-0` before the first, or without a stream. */
export async function lastOutcome(redis: Redis, keys: RedisKeys): Promise<string> {
  if ((await redis.exists(keys.outcomes())) === 0) return '0-0'
  return String(toInfo(await redis.xinfo('STREAM', keys.outcomes()))['last-generated-id'] ?? '0-0')
}

/** Whether everything written up to `id` is recorded. */
export async function areOutcomesRecorded(redis: Redis, keys: RedisKeys, id: string): Promise<boolean> {
  return (await redis.xrange(keys.outcomes(), '-', id, 'COUNT', 1)).length === 0
}

/** XINFO's flat list of names and values. */
export function toInfo(reply: unknown): Readonly<Record<string, unknown>> {
  const flat = reply as readonly unknown[]
  const info: Record<string, unknown> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) info[String(flat[i])] = flat[i + 1]
  return info
}
