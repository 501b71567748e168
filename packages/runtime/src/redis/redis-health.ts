import type { Redis } from 'ioredis'
import { type Clock, createSystemClock } from '../clock.ts'
import { withDeadline } from '../deadline.ts'
import { errorMessage } from '../errors.ts'

export type ServiceCheckResult =
  | { readonly ok: true; readonly latencyMs: number }
  | { readonly ok: false; readonly error: string }

/** A check for a readiness page: asks, and answers within its deadline. Never rejects. */
export interface ServiceCheck {
  readonly name: string
  run(signal?: AbortSignal): Promise<ServiceCheckResult>
}

/** PING within `timeoutMs` (default 1 s); with `writeKey` a write, which a full Redis or a replica refuses. */
export function createRedisServiceCheck(options: {
  readonly redis: Redis
  readonly clock?: Clock
  readonly timeoutMs?: number
  /** Set, and gone after a minute. */
  readonly writeKey?: string
}): ServiceCheck {
  const { redis, clock = createSystemClock(), timeoutMs = 1_000, writeKey } = options
  const ask = (): Promise<unknown> => (writeKey === undefined ? redis.ping() : redis.set(writeKey, 1, 'EX', 60))
  return {
    name: 'redis',
    async run(signal) {
      const startedAt = clock.monotonic()
      try {
        await withDeadline(clock, { timeoutMs, what: writeKey === undefined ? 'PING' : 'SET', parent: signal }, ask)
        return { ok: true, latencyMs: clock.monotonic() - startedAt }
      } catch (thrown) {
        return { ok: false, error: errorMessage(thrown) }
      }
    },
  }
}

/** Something about a Redis that endangers jobs. */
export interface RedisWarning {
  readonly code: 'version_too_old' | 'evicts_keys' | 'not_durable' | 'settings_unknown'
  readonly message: string
}

const minMajorVersion = 7

/** Looks once at a Redis at start-up: version ≥ 7, no eviction, append-only file on. Gives warnings; rejects only when it cannot be reached. */
export async function inspectRedis(
  redis: Redis,
  options: { readonly clock?: Clock; readonly timeoutMs?: number } = {},
): Promise<readonly RedisWarning[]> {
  const { clock = createSystemClock(), timeoutMs = 5_000 } = options
  const text = await withDeadline(clock, { timeoutMs, what: 'INFO' }, () => redis.info())
  return judgeRedisInfo(parseInfo(text))
}

/** Pure part of inspectRedis: what INFO says, judged. Managed services hide some of it: then `settings_unknown`. */
export function judgeRedisInfo(info: ReadonlyMap<string, string>): readonly RedisWarning[] {
  const warnings: RedisWarning[] = []
  const isValkey = info.has('valkey_version')
  const version = info.get('valkey_version') ?? info.get('redis_version')
  const policy = info.get('maxmemory_policy')
  const durable = info.get('aof_enabled')
  if (version !== undefined && Number.parseInt(version, 10) < minMajorVersion) {
    const message = `${isValkey ? 'Valkey' : 'Redis'} ${version} is older than ${minMajorVersion}`
    warnings.push({ code: 'version_too_old', message })
  }
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push({
      code: 'evicts_keys',
      message: `maxmemory-policy is ${policy}: jobs can be evicted; set noeviction`,
    })
  }
  if (durable !== undefined && durable !== '1') {
    warnings.push({
      code: 'not_durable',
      message: 'appendonly is off: a restart of Redis loses queued jobs; set it to yes',
    })
  }
  const hidden = Object.entries({ version, maxmemory_policy: policy, aof_enabled: durable }).filter(
    ([, value]) => value === undefined,
  )
  if (hidden.length > 0) {
    const names = hidden.map(([name]) => name).join(', ')
    warnings.push({
      code: 'settings_unknown',
      message: `Redis does not tell its ${names}: check noeviction and appendonly yourself`,
    })
  }
  return warnings
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const entries = text.split('\r\n').flatMap((line): [string, string][] => {
    const colon = line.indexOf(':')
    return colon > 0 && !line.startsWith('#') ? [[line.slice(0, colon), line.slice(colon + 1)]] : []
  })
  return new Map(entries)
}
