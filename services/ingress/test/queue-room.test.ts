import { createWorkerRegistry, type QueueDepth } from '@inferq/queue'
import { createManualClock, createSilentLog } from '@inferq/runtime'
import { createJobSpec, until } from '@inferq/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createQueueRoom } from '../src/queue-room.ts'
import { type Bench, createBench, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

const yaml = `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu}
  - model_name: free
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: another}
classes: {gpu: {max_queue: 3}}
`

let database: TestDatabase
let bench: Bench

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, yaml })
  // A busy machine may drop the first connection.
  await until(() => bench.queue.depth('gpu').catch(() => undefined))
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

const messages = [{ role: 'user', content: 'Hi' }]
const chat = { model: 'chat', max_tokens: 5, messages }
const job = { type: 'completion', request: chat }
const submit = (json: object = job) => call(`${bench.url}/v1/jobs`, { json })
const waiting = async () => (await bench.queue.depth('gpu')).waiting
const leave = (id: string) => bench.queue.remove({ jobId: id, hop: 0, class: 'gpu' })

/** Until the class takes no more, or takes one again. */
const untilTaken = (taken: boolean) =>
  until(async () => {
    const response = await submit()
    return (response.status === 202) === taken ? response : undefined
  })

describe('a class whose queue is full', () => {
  const accepted: string[] = []
  beforeAll(async () => {
    for (let place = 0; place < 3; place++) {
      const response = await submit()
      expect(response.status).toBe(202)
      accepted.push(((await response.json()) as { id: string }).id)
    }
  })

  it.each([
    ['/v1/chat/completions', chat],
    ['/v1/chat/completions', { ...chat, stream: true }],
    ['/v1/completions', { model: 'chat', prompt: 'Hi' }],
    ['/v1/responses', { model: 'chat', input: 'Hi' }],
    ['/v1/jobs', job],
    ['/v1/jobs:batch', { jobs: [job] }],
  ])('takes nothing from %s, and says when to come back', async (path, json) => {
    const response = await call(bench.url + path, { json })
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toEqual({
      error: {
        message: "The queue of 'gpu' is full: 3 requests wait. Try again in 5 s.",
        ...{ type: 'rate_limit_error', param: null, code: 'queue_full' },
      },
    })
    expect(await waiting()).toBe(3)
  })

  it("says so in Anthropic's words where those are spoken", async () => {
    const response = await call(`${bench.url}/v1/messages`, { json: chat, key: otherKey })
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'rate_limit_error', details: { error_code: 'queue_full' } },
    })
  })

  it('keeps what it has, and leaves others alone', async () => {
    for (const id of accepted) {
      expect(await (await call(`${bench.url}/v1/jobs/${id}`)).json()).toMatchObject({ status: 'queued' })
    }
    const other = await submit({ type: 'completion', request: { ...chat, model: 'free' } })
    expect(other.status).toBe(202)
  })

  it('takes as many as have left, and not one more', async () => {
    await leave(accepted[0] ?? '')
    await leave(accepted[1] ?? '')
    await untilTaken(true)
    // There is room for one of these, which is not enough for both: then none is taken, and its place stays free.
    const two = await call(`${bench.url}/v1/jobs:batch`, { json: { jobs: [job, job] } })
    expect(two.status).toBe(429)
    expect((await submit()).status).toBe(202)
    expect((await submit()).status).toBe(429)
    expect(await waiting()).toBe(3)
  })

  it('takes more as soon as the configuration lets it', async () => {
    const before = bench.live.current()
    const gpu = { ...before.classes['gpu'], concurrency: 1, options: {}, maxQueue: 4 }
    bench.live.swap({ ...before, classes: { ...before.classes, gpu } })
    expect((await submit()).status).toBe(202)
    expect((await submit()).status).toBe(429)
    bench.live.swap(before)
  })

  it('tells how long it takes until there is room: what jobs took lately, over all slots', async () => {
    await createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys }).beat(
      {
        ...{ id: 'w', host: 'h', pid: 1, gpu: null, classes: ['gpu'], limit: 2, inFlight: 2, startedAt: 0 },
        ...{ lastBeatAt: 1, state: 'running', fingerprint: 'f' },
      },
      60_000,
    )
    await bench.shares.start()
    const { tier, owner: tenant } = createJobSpec()
    bench.shares.ended('gpu', { tenant, tier, weight: 1, tokens: 1 }, { tokens: 1, seconds: 42 })
    // Nothing runs here: for the two that may run at once there is room beside those who wait.
    const room = 3 + 2
    while ((await waiting()) < room) await bench.submit()
    const told = async () => (await untilTaken(false)).headers.get('retry-after')
    // One more than may be has to go: half of 42 s.
    await until(async () => (await told()) === '21')
  })
})

describe('the room in a queue', () => {
  const clock = createManualClock()
  const running: Promise<unknown>[] = []
  afterEach(async () => void (await Promise.all(running.splice(0))))
  const settled = () => Promise.all(running.splice(0))

  const createRoom = (depth: () => Promise<Pick<QueueDepth, 'waiting' | 'active'>>, maxQueue: number, slots = 0) => {
    let looks = 0
    const config = { classes: { c: { concurrency: 1, maxQueue, options: {} } } }
    const room = createQueueRoom({
      config: () => config,
      queue: {
        async depth(name) {
          looks++
          return { class: name, delayed: 0, ...(await depth()) }
        },
      },
      pace: { slots: async () => slots, etaSeconds: async () => null, drainSeconds: () => null },
      clock,
      log: createSilentLog(),
      runInBackground: (_, work) => void running.push(work),
    })
    let made = 0
    return {
      ...room,
      looks: () => looks,
      /** How many of so many are taken. */
      take(count: number, enters = true) {
        let taken = 0
        for (let tries = 0; tries < count; tries++) {
          const id = `job_${made++}`
          try {
            room.admit('c', id)
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: 'queue_full', detail: { retryAfterSeconds: 5 } })
            continue
          }
          taken++
          if (enters) room.entered('c', id)
        }
        return taken
      },
    }
  }

  it('is looked at a few times a second, however many come', async () => {
    const room = createRoom(async () => ({ waiting: 0, active: 0 }), 1_000_000)
    for (let ms = 0; ms < 1_000; ms += 10) {
      expect(room.take(100)).toBe(100)
      await settled()
      await clock.advance(10)
    }
    expect(room.looks()).toBe(4)
  })

  it('is looked at closely when the line is long, so that nobody is refused for those who have left', async () => {
    const room = createRoom(async () => ({ waiting: 0, active: 0 }), 100)
    for (let ms = 0; ms < 1_000; ms += 10) {
      expect(room.take(30)).toBe(30)
      await settled()
      await clock.advance(10)
    }
    expect(room.looks()).toBeLessThanOrEqual(100)
  })

  it('counts what comes before anybody has looked, and what is on its way through the record of truth', async () => {
    let waiting = 0
    const room = createRoom(async () => ({ waiting, active: 0 }), 10)
    expect(room.take(30, false)).toBe(10)
    await settled()
    await clock.advance(10)
    expect(room.take(30, false)).toBe(0)
    await settled()
    // They never came: somebody else may.
    await clock.advance(3_000)
    waiting = 4
    expect(room.take(1)).toBe(1)
    await settled()
    // Four that wait, and the one that came after they were counted.
    expect(room.take(30)).toBe(5)
  })

  it('has a place for each slot that is free, for jobs that will not wait', async () => {
    const room = createRoom(async () => ({ waiting: 0, active: 2 }), 10, 8)
    expect(room.take(1)).toBe(1)
    await settled()
    await clock.advance(10)
    // Six slots are free, less one that was taken meanwhile as far as is known here.
    expect(room.take(30)).toBe(15)
  })

  it('gives back the places of those who do not come after all', () => {
    const room = createRoom(async () => ({ waiting: 0, active: 0 }), 1)
    room.admit('c', 'job_a')
    expect(room.take(1)).toBe(0)
    room.dismiss('c', 'job_a')
    expect(room.take(1)).toBe(1)
  })

  it('is no matter while Redis does not answer: whoever enqueues hears of it', async () => {
    let answers = true
    const room = createRoom(async () => {
      if (!answers) throw new Error('no answer')
      return { waiting: 10, active: 0 }
    }, 10)
    expect(room.take(1)).toBe(1)
    await settled()
    expect(room.take(1)).toBe(0)
    answers = false
    await clock.advance(1_000)
    expect(room.take(1)).toBe(1)
    await settled()
    await clock.advance(250)
    expect(room.take(1)).toBe(1)
  })

  it('is kept in sight while the line is long, whether anybody comes or not', async () => {
    let waiting = 10
    const room = createRoom(async () => ({ waiting, active: 0 }), 10)
    room.take(1)
    await settled()
    await room.start()
    for (let seconds = 0; seconds < 60; seconds++) await clock.advance(1_000)
    expect(room.take(1)).toBe(0)
    await settled()
    waiting = 0
    await clock.advance(1_000)
    const looks = room.looks()
    await clock.advance(10_000)
    expect(room.looks()).toBe(looks)
    await room.stop({ signal: new AbortController().signal, timeoutMs: 5_000 })
  })
})
