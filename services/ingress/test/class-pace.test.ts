import { createWorkerRegistry, type WorkerRegistration } from '@inferq/queue'
import { createJobSpec, until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClassPace } from '../src/class-pace.ts'
import { type Bench, clock, createBench } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call, readSse } from './support/http.ts'

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, options: { commitAfterMs: 50, beatMs: 50 } })
  // A busy machine may drop the first connection.
  await until(() => bench.queue.depth('gpu').catch(() => undefined))
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

const worker: WorkerRegistration = {
  ...{ id: 'w', host: 'h', pid: 1, gpu: null, classes: ['gpu'], limit: 2, inFlight: 0, startedAt: 0, lastBeatAt: 1 },
  ...{ state: 'running', fingerprint: 'f' },
}

describe('the slots of a class', () => {
  it('are asked for once a second, by all together, and not known while Redis does not answer', async () => {
    let asked = 0
    let answers = true
    const pace = createClassPace({
      workers: {
        async list() {
          asked++
          if (!answers) throw new Error('no answer')
          return [worker]
        },
      },
      shares: { meanSeconds: () => 3 },
      clock,
      lookEveryMs: 60_000,
    })
    expect(await Promise.all([pace.slots('gpu'), pace.slots('embed'), pace.etaSeconds('gpu', 3)])).toEqual([2, 0, 4.5])
    expect(asked).toBe(1)
    answers = false
    const blind = createClassPace({
      workers: { list: () => Promise.reject(new Error('no answer')) },
      shares: { meanSeconds: () => 3 },
      clock,
    })
    expect(await blind.slots('gpu')).toBeNull()
    expect(await blind.etaSeconds('gpu', 3)).toBeNull()
  })
})

describe('the time until a job starts', () => {
  const submit = async () => {
    const json = { type: 'completion', request: { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] } }
    return (await (await call(`${bench.url}/v1/jobs`, { json })).json()) as {
      id: string
      queue: { position: number | null; eta_s: number | null }
    }
  }

  it('is not known before a job has ended, and a worker is there', async () => {
    const { queue } = await until(async () => {
      const job = await submit()
      return job.queue.position === null ? undefined : job
    })
    expect(queue.eta_s).toBeNull()
  })

  it('is told with the place in line, wherever that is told: of what jobs took lately, over all slots', async () => {
    await createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys }).beat(worker, 60_000)
    await bench.shares.start()
    const { tier, owner: tenant } = createJobSpec()
    bench.shares.ended('gpu', { tenant, tier, weight: 1, tokens: 1 }, { tokens: 1, seconds: 3 })
    await until(() => bench.shares.meanSeconds('gpu') === 3)
    const { id } = await until(async () => {
      const job = await submit()
      return job.queue.eta_s === null ? undefined : job
    })
    const seen = (await (await call(`${bench.url}/v1/jobs/${id}`)).json()) as Awaited<ReturnType<typeof submit>>
    const position = seen.queue.position ?? 0
    expect(position).toBeGreaterThan(0)
    expect(seen.queue.eta_s).toBe(position * 1.5)

    const asking = call(`${bench.url}/v1/chat/completions`, {
      json: { model: 'chat', stream: true, messages: [{ role: 'user', content: 'Hi' }] },
    }).then(readSse)
    const exchange = await bench.nextExchange()
    const reader = await asking
    const place = position + 1
    expect(await reader.next()).toEqual({ comment: `queued position=${place} eta_s=${place * 1.5}` })
    await (await bench.begin(exchange.id)).end('completed')
    await reader.rest()
  })
})
