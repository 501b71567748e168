import type { JobSpec, LogEntry } from '@inferq/contracts'
import { createSystemClock } from '@inferq/runtime'
import { createJobSpec, createTestRedis, type TestRedis } from '@inferq/testkit'
import type { Redis } from 'ioredis'
import { createTokenLog, type TokenLog } from '../src/index.ts'

export const clock = createSystemClock()

export interface Bench {
  readonly server: TestRedis
  readonly redis: Redis
  readonly tokenLog: TokenLog
}

export async function createBench(): Promise<Bench> {
  const server = createTestRedis()
  const redis = await server.connect()
  return { server, redis, tokenLog: createTokenLog({ redis, keys: server.keys, clock }) }
}

/** A job that may go to two classes, one after the other. */
export function createSpec(overrides: Partial<JobSpec> = {}): JobSpec {
  const candidates = ['first', 'second'].map((name) => ({ model: 'm', class: name, deployments: [`m/${name}`] }))
  return createJobSpec({ model: 'm', candidates, ...overrides })
}

export async function begin(tokenLog: TokenLog, jobId: string, hop = 0, maxTries = 3) {
  const result = await tokenLog.begin(jobId, { hop, class: 'first', worker: 'w', maxTries })
  if (result.kind !== 'begun') throw new Error(`begin said ${result.kind}`)
  const attempt = {
    attempt: result.attempt,
    hop,
    class: 'first',
    worker: 'w',
    startedAt: Date.now(),
  }
  const writer = tokenLog.writer(jobId, result.attempt)
  if (result.shown) writer.reset()
  await writer.flush()
  return { ...result, attempt, writer }
}

export function ids(entries: readonly LogEntry[] | null): string[] {
  return (entries ?? []).map((entry) => `${entry.attempt}-${entry.seq} ${entry.kind}`)
}

export function textOf(entries: readonly LogEntry[]): string {
  return entries
    .filter((entry) => entry.kind === 't')
    .map((entry) => entry.payload)
    .join('')
}
