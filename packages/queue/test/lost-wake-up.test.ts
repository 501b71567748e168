import { createId, createSilentLog } from '@inferq/runtime'
import { createTestRedis, until } from '@inferq/testkit'
import { expect, it } from 'vitest'
import { createJobConsumer, createJobQueue } from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

it('an idle consumer comes for a job of which somebody who is gone was told', async () => {
  const server = createTestRedis()
  const placing = createTestPlacing()
  const log = createSilentLog()
  const { keys } = server
  const modelClass = 'gpu'
  const queue = createJobQueue({ redis: await server.connect(), keys, placing, log })
  const ran: string[] = []
  const consumer = createJobConsumer({
    ...{ class: modelClass, concurrency: 1, lockMs: 10_000, stalledMs: 5_000, keys, placing, log },
    redis: await server.connect('blocking'),
    async process({ jobId }) {
      ran.push(jobId)
      return { kind: 'done' }
    },
    async onAbandoned() {},
  })
  // The node that is cut off: it has waited for longer than anybody else, and its connection is open still.
  const gone = await server.connect('blocking')
  const marker = `${keys.queuePrefix(modelClass)}:${keys.queueName(modelClass)}:marker`
  try {
    const told = gone.bzpopmin(marker, 60)
    await consumer.start()
    const redis = await server.connect()
    const waiting = async () => (await redis.info('clients')).match(/blocked_clients:(\d+)/)?.[1]
    await until(async () => Number(await waiting()) >= 2, { what: 'both wait' })
    const jobId = createId('job')
    await queue.enqueue({ jobId, hop: 0, type: 'completion', class: modelClass, tier: 'default', share })
    expect(await told).not.toBeNull()
    // Nobody wakes it: it has to come by itself, and does so every second. Ten are promised, a lost lock included.
    await until(() => ran.includes(jobId), { timeoutMs: 10_000 })
  } finally {
    gone.disconnect()
    await consumer.stop({ signal: new AbortController().signal, timeoutMs: 5_000 })
    await queue.close()
    await server.close()
  }
})
