import type { BreakerConfig } from '@inferq/config'
import type { ErrorCode, RedisKeys } from '@inferq/contracts'
import { type Clock, createId, createSystemClock, type Log, type Redis } from '@inferq/runtime'
import { createInferqMetrics, createMetrics } from '@inferq/telemetry'
import { createTestRedis, until } from '@inferq/testkit'
import { onTestFinished } from 'vitest'
import {
  type CallReport,
  createDeploymentHealth,
  type DeploymentHealth,
  type DeploymentHealthOptions,
} from '../src/index.ts'

export const deadline = { signal: new AbortController().signal, timeoutMs: 5_000 }

export const rule: BreakerConfig = {
  enabled: true,
  allowedFails: 3,
  cooldownSeconds: 30,
  failureRate: 0.5,
  minCalls: 1_000,
  windowSeconds: 60,
}

/** One process of an installation. */
export interface Member {
  readonly health: DeploymentHealth
  readonly processId: string
  readonly redis: Redis
  readonly subscriber: Redis
  readonly events: readonly { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[]
  render(): Promise<string>
  /** Ends without a word: connections cut, nothing handed back. */
  kill(): Promise<void>
}

export interface Installation {
  readonly redis: Redis
  readonly keys: RedisKeys
  join(overrides?: Partial<DeploymentHealthOptions>, config?: Partial<BreakerConfig>): Promise<Member>
}

/** An installation on the run's Redis, or on the one at `url`; all of it ends with the test. */
export async function createInstallation(url?: string, config: Partial<BreakerConfig> = {}): Promise<Installation> {
  const server = createTestRedis()
  onTestFinished(() => server.close())
  const redis = await server.connect('command', url)
  return {
    redis,
    keys: server.keys,
    async join(overrides = {}, own = {}) {
      const [commands, subscriber] = await Promise.all([
        server.connect('command', url),
        server.connect('subscriber', url),
      ])
      const member = createMember(commands, subscriber, server.keys, { ...rule, ...config, ...own }, overrides)
      onTestFinished(() => member.health.stop({ signal: AbortSignal.timeout(1_000), timeoutMs: 1_000 }))
      await member.health.start()
      return member
    },
  }
}

/** A process that has not started. */
export function createMember(
  redis: Redis,
  subscriber: Redis,
  keys: RedisKeys,
  config: BreakerConfig,
  overrides: Partial<DeploymentHealthOptions>,
): Member {
  const events: { event: string; fields: Record<string, unknown> }[] = []
  const note = (fields: object, event: string): void => {
    events.push({ event, fields: { ...fields } })
  }
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const registry = createMetrics({ nodeMetrics: false })
  const processId = createId('proc')
  const health = createDeploymentHealth({
    ...{ redis, subscriber, keys, processId, log },
    config: () => config,
    clock: createSystemClock(),
    metrics: createInferqMetrics(registry),
    timing: { turnMs: 50, refreshMs: 100 },
    ...overrides,
  })
  return {
    ...{ health, processId, redis, subscriber, events },
    render: () => registry.render(),
    async kill() {
      redis.disconnect()
      subscriber.disconnect()
    },
  }
}

/** A clock that is wrong by so much. */
export function createSkewedClock(aheadMs: number): Clock {
  const clock = createSystemClock()
  return { ...clock, now: () => clock.now() + aheadMs }
}

/** Starts a call as soon as it is let in: our idea of Redis's clock may be some milliseconds early. */
export function call({ health }: Member, id: string): Promise<CallReport> {
  return until(async () => {
    const admission = await health.admit(id)
    return admission.kind === 'admitted' ? admission.call : undefined
  })
}

export async function succeed(member: Member, id: string, tokens = 10, latencyMs?: number): Promise<void> {
  const report = await call(member, id)
  report.succeeded({ latencyMs, tokens })
}

export async function fail(
  member: Member,
  id: string,
  code: ErrorCode = 'upstream_error',
  retryAfterSeconds?: number,
): Promise<void> {
  const report = await call(member, id)
  report.failed({ code, message: 'It failed.', ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) })
}

export function stateOf({ health }: Member, id: string): string {
  return health.circuit(id).state
}

/** Lets a call that has nowhere else to go probe at once. */
export async function probeIsDue({ redis, keys }: Installation, id: string): Promise<void> {
  const text = (await redis.hget(keys.circuits(), id)) ?? ''
  await redis.hset(keys.circuits(), id, text.replace(/"probeAt":\d+/, `"probeAt":${Date.now() - 1}`))
}

/** Lets the deployment's cooldown end at once. */
export async function cooldownEnds({ redis, keys }: Installation, id: string): Promise<void> {
  const text = (await redis.hget(keys.circuits(), id)) ?? ''
  await redis.hset(keys.circuits(), id, text.replace(/"retryAt":\d+/, `"retryAt":${Date.now() - 1}`))
}
