import { join } from 'node:path'
import {
  type Clock,
  closeRedis,
  createRedis,
  createService,
  type EmbeddedRedis,
  inspectRedis,
  type Service,
  startEmbeddedRedis,
  whenRedisReady,
} from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import { type Settings, shownPath } from '../settings.ts'
import { type Returned, reportReturns } from './returns.ts'

export interface RedisPart {
  readonly service: Service
  /** Once it has started. */
  url(): string
  describe(): string
}

export interface PartOptions {
  readonly settings: Settings
  readonly dataDir: string
  readonly log: Logger
  readonly clock: Clock
  /** A child process was gone, or is back. */
  readonly onChange: Returned
}

/** Redis: the one that REDIS_URL names, checked, or one of our own. */
export function createRedisPart(options: PartOptions & { readonly warn: (text: string) => void }): RedisPart {
  return options.settings.redisUrl === undefined
    ? createEmbedded(options)
    : createExternal(options.settings.redisUrl, options)
}

function createEmbedded({ dataDir, log, clock, onChange }: PartOptions): RedisPart {
  let redis: EmbeddedRedis | undefined
  const place = join(dataDir, 'redis')
  const service = createService({
    name: 'redis',
    async start() {
      redis = await startEmbeddedRedis({ dataDir: place, log, clock, onState: reportReturns('Redis', onChange) })
    },
    stop: (deadline) => redis?.stop(deadline),
  })
  return {
    service,
    url: () => started(redis).url,
    describe: () => `embedded ${started(redis).version}, in ${shownPath(place)}`,
  }
}

function createExternal(url: string, { log, clock, warn }: PartOptions & { warn: (text: string) => void }): RedisPart {
  const service = createService({
    name: 'redis',
    async start() {
      const redis = createRedis({ url, role: 'command', log, clock, name: 'inferq-up' })
      try {
        await whenRedisReady(redis, { timeoutMs: 5_000, clock })
        for (const warning of await inspectRedis(redis)) warn(warning.message)
      } finally {
        await closeRedis(redis)
      }
    },
    stop() {},
  })
  return { service, url: () => url, describe: () => `at ${hostOf(url)} (REDIS_URL)` }
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('asked before it has started')
  return part
}

/** Where a URL points, without what is secret in it. */
export function hostOf(url: string): string {
  const { host, pathname } = new URL(url)
  return host === '' ? pathname : host
}
