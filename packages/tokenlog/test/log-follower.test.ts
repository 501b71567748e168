import { isTerminalKind, type LogEntry, type LogPosition } from '@inferq/contracts'
import { createId, createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogFollower, type LogFollower, type TokenLog } from '../src/index.ts'
import { type Bench, begin, clock, createBench, createSpec, ids, textOf } from './support.ts'

let bench: Bench
let subscriber: Redis
let follower: LogFollower
const deadline = { signal: new AbortController().signal, timeoutMs: 5_000 }

async function createFollower(connection: Redis, tokenLog: TokenLog = bench.tokenLog): Promise<LogFollower> {
  const { redis, server } = bench
  const created = createLogFollower({
    tokenLog,
    subscriber: connection,
    redis,
    keys: server.keys,
    clock,
    watcher: createId('in'),
    log: createSilentLog(),
    beatMs: 100,
    unavailableMs: 1_000,
  })
  await created.start()
  return created
}

beforeAll(async () => {
  bench = await createBench()
  subscriber = await bench.server.connect('subscriber')
  follower = await createFollower(subscriber)
})
afterAll(async () => {
  await follower.stop(deadline)
  await bench.server.close()
})

const end = () => ({ at: Date.now() })

/** A reader that records what it is given. */
function read(jobId: string, after: LogPosition | null = null, options: { attached?: boolean; by?: LogFollower } = {}) {
  const entries: LogEntry[] = []
  let lost: string | undefined
  const following = (options.by ?? follower).follow(jobId, {
    after,
    ...(options.attached ? { attached: true } : {}),
    onEntries(more) {
      entries.push(...more)
      return true
    },
    onLost(why) {
      lost = why
    },
  })
  const isEnded = () => entries.some((entry) => isTerminalKind(entry.kind))
  return { entries, following, isEnded, lost: () => lost }
}

/** Writes a job of several attempts and kinds of entries; returns once it has ended. */
async function writeJob(jobId: string, tokens: number): Promise<void> {
  const { tokenLog } = bench
  const first = await begin(tokenLog, jobId)
  first.writer.text('void')
  await first.writer.flush()
  await tokenLog.release(jobId, first.attempt, { move: 'retry', reason: 'r', delayMs: 0, hop: 0, class: 'first' })
  const second = await begin(tokenLog, jobId)
  for (let i = 0; i < tokens; i++) {
    second.writer.text(`${i} `)
    await second.writer.flush()
  }
  await tokenLog.finish(second.record, second.attempt, 'completed', end())
}

describe('a reader', () => {
  it('that attaches at every position sees every later entry once and in order', async () => {
    const spec = createSpec()
    await bench.tokenLog.open(spec)
    await writeJob(spec.id, 5)
    const whole = (await bench.tokenLog.read(spec.id, null)) ?? []
    expect(whole.length).toBe(12)
    for (let i = 0; i < whole.length - 1; i++) {
      const reader = read(spec.id, whole[i] ?? null)
      await until(reader.isEnded)
      expect(ids(reader.entries)).toEqual(ids(whole.slice(i + 1)))
    }
  })

  it('that attaches while the job runs sees it whole, whenever it comes', async () => {
    const spec = createSpec()
    await bench.tokenLog.open(spec)
    const readers = [read(spec.id)]
    const writing = writeJob(spec.id, 60)
    for (let i = 0; i < 20; i++) {
      await new Promise(setImmediate)
      readers.push(read(spec.id))
    }
    await writing
    const whole = ids(await bench.tokenLog.read(spec.id, null))
    for (const reader of readers) {
      await until(reader.isEnded)
      expect(ids(reader.entries)).toEqual(whole)
    }
  })

  it('that opened the job itself reads live, without a look at the log', async () => {
    const { tokenLog } = bench
    let looks = 0
    const counted: TokenLog = {
      ...tokenLog,
      read(...range) {
        looks += 1
        return tokenLog.read(...range)
      },
    }
    const by = await createFollower(await bench.server.connect('subscriber'), counted)
    const spec = createSpec({ mode: 'interactive' })
    const reader = read(spec.id, null, { attached: true, by })
    await tokenLog.open(spec, by.watcher)
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    writer.text('live')
    await writer.flush()
    await tokenLog.finish(record, attempt, 'completed', end())
    await until(reader.isEnded)
    await by.stop(deadline)
    expect(ids(reader.entries)).toEqual(['1-1 t', '1-2 C'])
    expect(looks).toBe(0)
  })

  it('on another ingress reads the same', async () => {
    const other = await createFollower(await bench.server.connect('subscriber'))
    const spec = createSpec()
    await bench.tokenLog.open(spec, follower.watcher)
    const here = read(spec.id, null, { attached: true })
    const there = read(spec.id, null, { by: other })
    await writeJob(spec.id, 10)
    await until(() => here.isEnded() && there.isEnded())
    expect(ids(there.entries).slice(1)).toEqual(ids(here.entries))
    await other.stop(deadline)
  })

  it('that never drains holds nothing back and is not sent more; resumed, it misses nothing', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const entries: LogEntry[] = []
    let calls = 0
    let isStuck = true
    const following = follower.follow(spec.id, {
      after: null,
      onEntries(more) {
        calls++
        entries.push(...more)
        return !isStuck
      },
      onLost: () => {},
    })
    await until(() => calls === 1)
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    for (let i = 0; i < 300; i++) {
      writer.text(`${i} `)
      await writer.flush()
    }
    await tokenLog.finish(record, attempt, 'completed', end())
    expect(calls).toBe(1)
    isStuck = false
    following.resume()
    await until(() => entries.at(-1)?.kind === 'C')
    expect(textOf(entries)).toBe(Array.from({ length: 300 }, (_, i) => `${i} `).join(''))
  })

  it('survives the loss of the subscription, with no gap and no repeat', async () => {
    const spec = createSpec()
    await bench.tokenLog.open(spec)
    const reader = read(spec.id)
    const writing = writeJob(spec.id, 200)
    for (let i = 0; i < 5; i++) {
      const seen = reader.entries.length
      await until(() => reader.entries.length > seen + 5 || reader.isEnded())
      const clients = String(await bench.redis.client('LIST', 'TYPE', 'PUBSUB'))
      const id = /(?:^|\n)id=(\d+)/.exec(clients)?.[1]
      if (id !== undefined) await bench.redis.client('KILL', 'ID', id)
    }
    await writing
    await until(reader.isEnded)
    expect(ids(reader.entries)).toEqual(ids(await bench.tokenLog.read(spec.id, null)))
  })

  it('notices entries whose message was lost without a sign', async () => {
    const { tokenLog, redis, server } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const reader = read(spec.id)
    await until(() => reader.entries.length === 1)
    const watch = (await redis.hget(server.keys.job(spec.id), 'watch')) ?? ''
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    await redis.hset(server.keys.job(spec.id), 'watch', '')
    writer.text('lost')
    await writer.flush()
    await redis.hset(server.keys.job(spec.id), 'watch', watch)
    writer.text(' heard')
    await writer.flush()
    await tokenLog.finish(record, attempt, 'completed', end())
    await until(reader.isEnded)
    expect(textOf(reader.entries)).toBe('lost heard')
  })

  it('finds the end by the sweep when even the last message was lost', async () => {
    const { tokenLog, redis, server } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const reader = read(spec.id)
    await until(() => reader.entries.length === 1)
    const { record, attempt } = await begin(tokenLog, spec.id)
    await redis.hset(server.keys.job(spec.id), 'watch', '')
    await tokenLog.finish(record, attempt, 'completed', end())
    await until(reader.isEnded)
  })

  it('is told that a log is gone', async () => {
    const reader = read('job_none')
    await until(() => reader.lost() === 'gone')
    const spec = createSpec()
    await bench.tokenLog.open(spec)
    const losing = read(spec.id)
    await until(() => losing.entries.length === 1)
    await bench.redis.del(bench.server.keys.log(spec.id), bench.server.keys.job(spec.id))
    await until(() => losing.lost() === 'gone')
  })

  it('is not called after it was closed', async () => {
    const spec = createSpec()
    await bench.tokenLog.open(spec)
    const reader = read(spec.id)
    await until(() => reader.entries.length === 1)
    reader.following.close()
    const other = read(spec.id)
    await writeJob(spec.id, 3)
    await until(other.isEnded)
    expect(reader.entries).toHaveLength(1)
  })
})
