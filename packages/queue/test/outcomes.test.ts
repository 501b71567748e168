import type { EndMessage, OutcomeMessage, StartMessage } from '@inferq/contracts'
import { createId, createSilentLog, createSystemClock, type Service } from '@inferq/runtime'
import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  areOutcomesRecorded,
  createOutcomeConsumer,
  inspectOutcomes,
  lastOutcome,
  type OutcomeConsumerOptions,
} from '../src/index.ts'

let server: TestRedis
let redis: Redis
let consumers: Service[]
const deadline = { signal: new AbortController().signal, timeoutMs: 5_000 }

beforeEach(async () => {
  server = createTestRedis()
  redis = await server.connect()
  consumers = []
})
afterEach(async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop(deadline)))
  await server.close()
})

async function consume(onBatch: OutcomeConsumerOptions['onBatch'], overrides: Partial<OutcomeConsumerOptions> = {}) {
  const consumer = createOutcomeConsumer({
    blocking: await server.connect('blocking'),
    redis,
    keys: server.keys,
    consumer: createId('controller'),
    log: createSilentLog(),
    clock: createSystemClock(),
    lingerMs: 0,
    onBatch,
    onStreamLost: () => {},
    ...overrides,
  })
  consumers.push(consumer)
  await consumer.start()
  return consumer
}

/** A recorder that keeps what it was given. */
function recorder() {
  const batches: (readonly OutcomeMessage[])[] = []
  return {
    batches,
    ids: () => batches.flat().map(({ jobId }) => jobId),
    onBatch: async (messages: readonly OutcomeMessage[]) => {
      batches.push(messages)
      return []
    },
  }
}

const start = (): StartMessage => ({ kind: 'start', jobId: createId('job'), attempt: 1, at: 1_000 })

const end = (): EndMessage => ({
  kind: 'end',
  jobId: createId('job'),
  status: 'completed',
  type: 'completion',
  operation: 'chat',
  mode: 'interactive',
  tier: 'default',
  owner: 'owner',
  model: 'small',
  servedModel: 'small',
  class: 'gpu',
  requestId: 'req_1',
  metadata: {},
  createdAt: 1_000,
  endedAt: 2_000,
  attempts: [],
  costNanoUsd: null,
})

async function report(...messages: readonly OutcomeMessage[]): Promise<void> {
  const pipeline = redis.pipeline()
  for (const message of messages) pipeline.xadd(server.keys.outcomes(), '*', 'm', JSON.stringify(message))
  await pipeline.exec()
}

const waiting = async () => (await inspectOutcomes(redis, server.keys)).length
const groupConsumers = async () =>
  ((await redis.xinfo('CONSUMERS', server.keys.outcomes(), 'controllers')) as unknown[][]).map((info) => info[1])

describe('outcomes', () => {
  it('are handed over in order and forgotten when they are recorded', async () => {
    const messages = [start(), end(), end()]
    await report(...messages)
    const { batches, onBatch } = recorder()
    await consume(onBatch)
    await until(async () => (await waiting()) === 0)
    expect(batches.flat()).toEqual(messages)
    await report(end())
    await until(() => batches.flat().length === 4)
  })

  it('come in batches of bounded size', async () => {
    await report(...Array.from({ length: 25 }, end))
    const { batches, onBatch } = recorder()
    await consume(onBatch, { batchSize: 10 })
    await until(async () => (await waiting()) === 0)
    expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5])
  })

  it('wait a moment for company', async () => {
    const { batches, onBatch } = recorder()
    await consume(onBatch, { lingerMs: 300 })
    await report(end())
    await report(end())
    await report(end())
    await until(() => batches.length > 0)
    expect(batches[0]).toHaveLength(3)
  })

  it('are offered again until they are recorded, and stay in Redis until then', async () => {
    const messages = [end(), end()]
    const { ids, onBatch } = recorder()
    let refusals = 3
    let lengthAtLastRefusal = 0
    await consume(async (batch) => {
      if (refusals === 0) return onBatch(batch)
      refusals--
      lengthAtLastRefusal = await waiting()
      throw new Error('the database is away')
    })
    await report(...messages)
    await until(async () => refusals === 0 && (await waiting()) === 0)
    expect(lengthAtLastRefusal).toBe(2)
    expect(new Set(ids())).toEqual(new Set(messages.map(({ jobId }) => jobId)))
  })

  it('that a dead consumer held are taken over', async () => {
    const messages = [end(), end(), end()]
    await report(...messages)
    await redis.xgroup('CREATE', server.keys.outcomes(), 'controllers', '0')
    await redis.xreadgroup('GROUP', 'controllers', 'dead', 'COUNT', 10, 'STREAMS', server.keys.outcomes(), '>')
    const { ids, onBatch } = recorder()
    await until(async () => {
      const [[, , idle] = []] = (await redis.xpending(server.keys.outcomes(), 'controllers', '-', '+', 1)) as number[][]
      return (idle ?? 0) >= 20
    })
    await consume(onBatch, { takeOverAfterMs: 20 })
    await until(async () => (await waiting()) === 0)
    expect(ids()).toEqual(messages.map(({ jobId }) => jobId))
  })

  it('are shared by several consumers, each recorded once', async () => {
    const [one, two, three] = [recorder(), recorder(), recorder()]
    for (const { onBatch } of [one, two, three]) await consume(onBatch, { batchSize: 7 })
    const messages = Array.from({ length: 200 }, end)
    await report(...messages)
    await until(async () => (await waiting()) === 0)
    const seen = [...one.ids(), ...two.ids(), ...three.ids()]
    expect(seen.toSorted()).toEqual(messages.map(({ jobId }) => jobId).toSorted())
  })

  it.each([
    ['no JSON', '{"kind":"end"'],
    ['null', 'null'],
    ['of no kind', '{"kind":"middle","jobId":"job_1"}'],
    ['without a time', '{"kind":"start","jobId":"job_1","attempt":1}'],
    ['without an owner', JSON.stringify({ ...end(), owner: undefined })],
    ['not terminal', JSON.stringify({ ...end(), status: 'queued' })],
  ])('that are %s are set aside and hold up nobody', async (_case, text) => {
    const good = end()
    await redis.xadd(server.keys.outcomes(), '*', 'm', text)
    await redis.xadd(server.keys.outcomes(), '*', 'other', 'field')
    await report(good)
    const { ids, onBatch } = recorder()
    await consume(onBatch)
    await until(async () => (await waiting()) === 0)
    expect(ids().filter((id) => id !== 'job_1')).toEqual([good.jobId])
    const aside = await redis.xrange(server.keys.refusedOutcomes(), '-', '+')
    expect(aside[0]?.[1]).toEqual(['m', text, 'reason', 'malformed'])
  })

  it('that can never be recorded are set aside with the reason', async () => {
    const message = end()
    await report(message)
    await consume(async ([first]) => (first === undefined ? [] : [{ message: first, reason: 'too odd' }]))
    await until(async () => (await waiting()) === 0)
    const [aside] = await redis.xrange(server.keys.refusedOutcomes(), '-', '+')
    expect(aside?.[1]).toEqual(['m', JSON.stringify(message), 'reason', 'too odd'])
  })
})

describe('an outcome consumer', () => {
  it('goes on, and tells, when Redis has lost the stream', async () => {
    const { ids, onBatch } = recorder()
    let losses = 0
    await consume(onBatch, {
      onStreamLost() {
        losses++
      },
    })
    await report(end())
    await until(() => ids().length === 1)
    await redis.del(server.keys.outcomes())
    await until(() => losses === 1)
    await report(end())
    await until(() => ids().length === 2)
    expect(losses).toBe(1)
  })

  it('stops at once while it waits, and leaves no trace in the group', async () => {
    // It waits for a second at a time. A busy machine may take as long for anything, though not every time.
    let fastestMs = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 8 && fastestMs > 500; tries++) {
      const consumer = await consume(async () => [], { consumer: 'leaver' })
      await report(end())
      await until(async () => (await waiting()) === 0)
      expect(await groupConsumers()).toEqual(['leaver'])
      const startedAt = performance.now()
      await consumer.stop(deadline)
      fastestMs = Math.min(fastestMs, performance.now() - startedAt)
      expect(await groupConsumers()).toEqual([])
    }
    expect(fastestMs).toBeLessThan(500)
  })

  it('finishes the batch under way before it stops', async () => {
    const gate = Promise.withResolvers<void>()
    let taken = 0
    const consumer = await consume(async (messages) => {
      taken += messages.length
      await gate.promise
      return []
    })
    await report(end())
    await until(() => taken === 1)
    const stopped = consumer.stop(deadline)
    gate.resolve()
    await stopped
    expect(await waiting()).toBe(0)
  })

  it('leaves to others what it could not record before it stopped', async () => {
    const message = end()
    let tries = 0
    const failing = await consume(async () => {
      tries++
      throw new Error('the database is away')
    })
    await report(message)
    await until(() => tries > 0)
    await failing.stop(deadline)
    const { ids, onBatch } = recorder()
    await consume(onBatch, { takeOverAfterMs: 0 })
    await until(() => ids().length === 1)
    expect(ids()).toEqual([message.jobId])
  })
})

describe('the outcome backlog', () => {
  it('tells length and age, and when everything up to a point is recorded', async () => {
    expect(await inspectOutcomes(redis, server.keys)).toEqual({ length: 0, oldestAt: null })
    expect(await lastOutcome(redis, server.keys)).toBe('0-0')
    const before = Date.now()
    await report(end(), end())
    const { length, oldestAt } = await inspectOutcomes(redis, server.keys)
    expect(length).toBe(2)
    expect(oldestAt).toBeGreaterThan(before - 1_000)
    expect(oldestAt).toBeLessThanOrEqual(Date.now())

    const mark = await lastOutcome(redis, server.keys)
    expect(await areOutcomesRecorded(redis, server.keys, mark)).toBe(false)
    const { onBatch } = recorder()
    await consume(onBatch)
    await until(() => areOutcomesRecorded(redis, server.keys, mark))
    expect(await lastOutcome(redis, server.keys)).toBe(mark)
  })
})
