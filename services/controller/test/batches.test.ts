import type { BatchStatus, JobSpec } from '@inferq/contracts'
import { createWorkerRegistry } from '@inferq/queue'
import type { NewBatch, PendingLine } from '@inferq/store'
import { until } from '@inferq/testkit'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { roomInClass, takeLines } from '../src/batches/window.ts'
import { createWorld, startTestPostgres, type TestPostgres, type World } from './support.ts'

let postgres: TestPostgres
let world: World
let made = 0

beforeAll(async () => {
  // These tests count what waits: the relay keeps out of it.
  postgres = await startTestPostgres({ relayAfterMs: 60_000 })
})
afterAll(() => postgres?.stop())
beforeEach(async () => {
  world = await createWorld(postgres.store)
})
afterEach(async () => {
  await world.close()
  await postgres.clear()
  // A batch that a test leaves open would be another's.
  for (const batch of await postgres.store.claimBatches('run', { holder: 'cleaner', leaseMs: 1, limit: 99 })) {
    await postgres.store.cancelBatch(batch.id, batch.owner)
    await postgres.store.finishBatch(batch.id, { outputFileId: null, errorFileId: null })
  }
})

const jobIdOf = (batchId: string, line: number) => `job_${batchId.slice('batch_'.length)}b${line}`

/** A batch whose input was read: as an ingress leaves it. */
async function startBatch(lines: readonly object[], overrides: Partial<NewBatch> = {}): Promise<string> {
  const { store } = postgres
  const id = `batch_${Date.now()}x${++made}`
  const createdAt = Date.now()
  await store.insertBatch({
    ...{ id, owner: 'owner', endpoint: '/v1/chat/completions', inputFileId: 'file-x', completionWindow: '24h' },
    ...{ metadata: null, caller: { user: 'ann' }, outputExpiresSeconds: null },
    ...{ createdAt, expiresAt: createdAt + 86_400_000 },
    ...overrides,
  })
  const lease = { holder: 'desk', leaseMs: 60_000 }
  await store.claimBatches('intake', { ...lease, limit: 99 })
  const rows = lines.map((body, index) => {
    const line = index + 1
    const request = { model: 'small', messages: [{ role: 'user', content: `line ${line}` }], ...body }
    const ids = { line, customId: `c${line}`, jobId: jobIdOf(id, line) }
    return { ...ids, model: String(request.model), operation: 'chat' as const, body: request }
  })
  await store.addBatchLines(id, lease, rows)
  await store.startBatch(id, 'desk', { total: lines.length, model: 'small' })
  return id
}

const many = (count: number): object[] => Array.from({ length: count }, () => ({}))
const found = async (id: string) => {
  const batch = await postgres.store.getBatch(id, 'owner')
  if (batch === null) throw new Error(`there is no ${id}`)
  return batch
}
const waitFor = (id: string, status: BatchStatus) =>
  until(async () => (await found(id)).status === status, { what: `${id} to be ${status}` })
const ended = async (id: string, completed: boolean) =>
  postgres.store.readEndedLines(id, { completed, after: 0, limit: 1_000 })
const waiting = async () => (await world.queue.depth('gpu')).waiting
/** The job of a line, once it is in its queue. */
const specOf = async (id: string, line: number): Promise<JobSpec> =>
  (await until(() => world.tokenLog.record(jobIdOf(id, line)), { what: `line ${line} in its queue` })).spec
/** What a worker does with it. */
const answer = async (id: string, line: number): Promise<void> => {
  const spec = await specOf(id, line)
  await world.run(spec, { result: { text: `answer ${line}` } })
  await world.queue.remove({ jobId: spec.id, hop: 0, class: 'gpu' })
}

describe('a batch that runs', () => {
  it('becomes jobs of tier flex, and its lines have their results', async () => {
    await world.startController()
    const id = await startBatch([{ metadata: { tags: 'x' } }, {}])
    const spec = await specOf(id, 1)
    const { expiresAt } = await found(id)
    expect(spec).toMatchObject({
      ...{ id: jobIdOf(id, 1), tier: 'flex', mode: 'async', stream: false, keepResult: true, owner: 'owner' },
      ...{ model: 'small', startBy: expiresAt, finishBy: expiresAt, metadata: { batch_id: id } },
      request: { model: 'small', messages: [{ role: 'user', content: 'line 1' }], metadata: { tags: 'x' } },
      candidates: [{ model: 'small', class: 'gpu' }],
      // Of a batch from before there were shares: its owner's.
      share: { tenant: 'owner', weight: 1, tokens: 4 + 2 + 500 },
    })
    await answer(id, 2)
    await until(async () => (await found(id)).counts.completed === 1)
    expect((await found(id)).status).toBe('in_progress')
    await answer(id, 1)
    await waitFor(id, 'finalizing')
    expect(await found(id)).toMatchObject({
      counts: { total: 2, completed: 2, failed: 0 },
      tokens: { input: 6, output: 10 },
    })
    expect((await ended(id, true)).map(({ result }) => result)).toEqual([{ text: 'answer 1' }, { text: 'answer 2' }])
  })

  it('comes out of the share of its tenant', async () => {
    await world.startController()
    const id = await startBatch([{ max_tokens: 7 }], { caller: { user: 'ann', tenant: 'acme' } })
    expect((await specOf(id, 1)).share).toEqual({ tenant: 'acme', weight: 3, tokens: 4 + 2 + 7 })
  })

  it('keeps few lines in the queue, and more as those are answered', async () => {
    await world.startController()
    const id = await startBatch(many(50))
    await until(async () => (await waiting()) === 16)
    expect(await postgres.store.findPendingLines(id, 99)).toHaveLength(34)
    for (let line = 1; line <= 10; line++) await answer(id, line)
    await until(async () => (await postgres.store.findPendingLines(id, 99)).length === 24)
    expect(await waiting()).toBe(16)
  })

  it('keeps more there when more workers serve the class', async () => {
    const registry = createWorkerRegistry(world)
    const worker = { host: 'h', pid: 1, gpu: null, limit: 22, inFlight: 0, startedAt: 1, lastBeatAt: 1 }
    for (const [id, classes, state] of [
      ['w1', ['gpu'], 'running'],
      ['w2', ['gpu', 'other'], 'running'],
      ['w3', ['other'], 'running'],
      ['w4', ['gpu'], 'draining'],
    ] as const) {
      await registry.beat({ ...worker, id, classes, state, fingerprint: 'f' }, 60_000)
    }
    await world.startController()
    const id = await startBatch(many(50))
    // Three quarters of 22 slots and of half as many: two classes share them.
    await until(async () => (await waiting()) === 24)
    expect(await postgres.store.findPendingLines(id, 99)).toHaveLength(26)
  })

  it('adds nothing where others wait already', async () => {
    for (let index = 0; index < 16; index++) await world.submit()
    await world.startController()
    const id = await startBatch(many(3))
    const other = await startBatch([{ model: 'nobody' }])
    await waitFor(other, 'finalizing')
    expect(await postgres.store.findPendingLines(id, 9)).toHaveLength(3)
    expect(await waiting()).toBe(16)
  })

  it('shares the room with other batches', async () => {
    const ids = await Promise.all([startBatch(many(60)), startBatch(many(60))])
    await world.startController()
    await until(async () => (await waiting()) === 16)
    const prioritized = `${world.keys.queuePrefix('gpu')}:${world.keys.queueName('gpu')}:prioritized`
    const answered = new Set<string>()
    while (answered.size < 20) {
      const jobId = ((await world.redis.zrange(prioritized, '0', '0'))[0] ?? '').replace(/-0$/, '')
      const [suffix, line] = jobId.slice('job_'.length).split('b')
      if (answered.has(jobId)) await world.queue.remove({ jobId, hop: 0, class: 'gpu' })
      else if (suffix !== undefined && line !== undefined) await answer(`batch_${suffix}`, Number(line))
      answered.add(jobId)
    }
    let counts: readonly number[] = []
    await until(async () => {
      counts = await Promise.all(ids.map(async (one) => (await found(one)).counts.completed))
      return counts.reduce((sum, count) => sum + count) >= 19
    })
    expect(Math.min(...counts)).toBeGreaterThan(0)
  })

  it('has failed lines where the upstream failed, or routing refuses', async () => {
    await world.startController()
    const long = { messages: [{ role: 'user', content: 'word '.repeat(5_000) }] }
    const id = await startBatch([{}, { model: 'nobody' }, long])
    const spec = await specOf(id, 1)
    await world.tokenLog.terminate(spec.id, 'failed', {
      at: Date.now(),
      error: { code: 'upstream_error', message: 'no' },
    })
    await waitFor(id, 'finalizing')
    expect((await found(id)).counts).toEqual({ total: 3, completed: 0, failed: 3 })
    expect((await ended(id, false)).map(({ line, error }) => [line, error?.code])).toEqual([
      [1, 'upstream_error'],
      [2, 'model_not_found'],
      [3, 'context_length_exceeded'],
    ])
  })

  it('keeps its results whatever the retention of jobs says', async () => {
    await world.startController({ resultKeepMs: () => 0 })
    const id = await startBatch(many(3))
    for (const line of [1, 2, 3]) await answer(id, line)
    await waitFor(id, 'finalizing')
    expect(await ended(id, true)).toHaveLength(3)
    await until(async () => (await postgres.store.getJob(jobIdOf(id, 1), 'owner')).kind === 'gone')
  })
})

describe('a batch whose controller dies', () => {
  it('goes on with another one, and runs no line twice', async () => {
    const first = await world.startController()
    const id = await startBatch(many(30))
    await until(async () => (await waiting()) === 16)
    await first.group.stop()
    for (let line = 1; line <= 16; line++) await answer(id, line)
    await world.startController()
    for (let line = 17; line <= 30; line++) await answer(id, line)
    await waitFor(id, 'finalizing')
    expect((await ended(id, true)).map(({ line }) => line)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
    expect((await found(id)).tokens).toMatchObject({ input: 90, output: 150 })
  })

  it('between the row of a job and the mark of its line, does not submit it again', async () => {
    const id = await startBatch(many(2))
    const spec: JobSpec = {
      ...{ id: jobIdOf(id, 1), type: 'completion', operation: 'chat', request: {}, model: 'small', owner: 'owner' },
      ...{ candidates: [{ model: 'small', class: 'gpu', deployments: [] }], tier: 'flex', mode: 'async' },
      ...{
        stream: false,
        keepResult: true,
        createdAt: Date.now(),
        startBy: Date.now() + 1e6,
        finishBy: Date.now() + 1e6,
      },
      ...{ metadata: {}, requestId: 'r' },
    }
    await postgres.store.insertAccepted([spec])
    await postgres.store.markEnqueued([spec.id])
    await world.tokenLog.open(spec)
    await world.run(spec, { result: { text: 'before' } })
    await world.redis.del(world.keys.job(spec.id), world.keys.log(spec.id))
    await world.startController()
    await answer(id, 2)
    await waitFor(id, 'finalizing')
    expect(await world.tokenLog.record(spec.id)).toBeNull()
    expect((await ended(id, true)).map(({ result }) => result)).toEqual([{ text: 'before' }, { text: 'answer 2' }])
  })

  it('is shared by several at once without a line run twice', async () => {
    await Promise.all([world.startController(), world.startController(), world.startController()])
    const ids = await Promise.all([startBatch(many(8)), startBatch(many(8)), startBatch(many(8))])
    const began = await world.serve()
    for (const id of ids) {
      await waitFor(id, 'finalizing')
      expect((await found(id)).counts).toEqual({ total: 8, completed: 8, failed: 0 })
    }
    expect(began).toHaveLength(24)
    expect(new Set(began).size).toBe(24)
  })
})

describe('a batch that is cancelled', () => {
  it('starts no other line; those that run come to their end', async () => {
    await world.startController()
    const id = await startBatch(many(40))
    await until(async () => (await waiting()) === 16)
    const spec = await specOf(id, 1)
    await world.begin(spec)
    await postgres.store.cancelBatch(id, 'owner')
    await until(async () => (await ended(id, false)).length === 39)
    expect(await postgres.store.endBatchRun(id)).toBe(false)
    expect((await world.tokenLog.record(spec.id))?.cancelRequested).toBe(false)
    const record = await world.tokenLog.record(spec.id)
    if (record === null) throw new Error('the job is gone')
    const attempt = { attempt: 1, hop: 0, class: 'gpu', worker: 'w1', startedAt: Date.now() }
    await world.tokenLog.finish(record, attempt, 'completed', { at: Date.now(), result: { text: 'at last' } })
    await until(async () => {
      const done = await postgres.store.claimBatches('output', { holder: 'x', leaseMs: 1, limit: 99 })
      return done.some((one) => one.id === id)
    })
    expect(await ended(id, true)).toMatchObject([{ line: 1, result: { text: 'at last' } }])
    expect(new Set((await ended(id, false)).map(({ status }) => status))).toEqual(new Set(['cancelled']))
    expect((await found(id)).counts).toEqual({ total: 40, completed: 1, failed: 0 })
    expect(await waiting()).toBeLessThanOrEqual(1)
    await postgres.store.finishBatch(id, { outputFileId: null, errorFileId: null })
  })

  it('while it was read, ends at once', async () => {
    const id = `batch_${Date.now()}y`
    await postgres.store.insertBatch({
      ...{ id, owner: 'owner', endpoint: '/v1/embeddings', inputFileId: 'f', completionWindow: '24h', metadata: null },
      ...{ caller: {}, createdAt: Date.now(), expiresAt: Date.now() + 1e6, outputExpiresSeconds: null },
    })
    await postgres.store.cancelBatch(id, 'owner')
    await world.startController()
    await waitFor(id, 'cancelled')
  })
})

describe('a batch whose window closes', () => {
  it('expires: what waits is not started, what was answered is kept', async () => {
    await world.startController()
    const id = await startBatch(many(40), { expiresAt: Date.now() + 1_500 })
    await answer(id, 1)
    await waitFor(id, 'finalizing')
    expect(await ended(id, true)).toHaveLength(1)
    const late = await ended(id, false)
    expect(late).toHaveLength(39)
    expect(new Set(late.map(({ status }) => status))).toEqual(new Set(['expired']))
    expect((await found(id)).expiredAt).not.toBeNull()
  })
})

describe('the window', () => {
  const line = (number: number, model: string, size: number): PendingLine => ({
    ...{ line: number, jobId: `j${number}`, model, operation: 'chat', size, accepted: false },
  })

  it('is three quarters of what the workers can run, less what others have', () => {
    const room = (active: number, waiting: number, capacity: number) => roomInClass({ active, waiting }, capacity)
    expect([room(0, 0, 64), room(40, 0, 64), room(40, 8, 64), room(0, 500, 64)]).toEqual([48, 8, 0, 0])
    expect([room(0, 0, 1), room(1, 0, 1), room(0, 1, 1)]).toEqual([1, 0, 0])
  })

  it('lets one line at a time have a slot that others leave free', () => {
    expect(roomInClass({ active: 63, waiting: 0 }, 64)).toBe(1)
    expect(roomInClass({ active: 64, waiting: 0 }, 64)).toBe(0)
    expect(roomInClass({ active: 63, waiting: 1 }, 64)).toBe(0)
  })

  it('takes lines in order, within the room of each model and the memory for all', () => {
    const models = fc.constantFrom('a', 'b', 'c')
    const lines = fc
      .array(fc.tuple(models, fc.integer({ min: 1, max: 50 })), { maxLength: 40 })
      .map((all) => all.map(([model, size], index) => line(index + 1, model, size)))
    fc.assert(
      fc.property(lines, fc.nat({ max: 20 }), fc.integer({ min: 1, max: 200 }), (all, room, maxSize) => {
        const taken = takeLines(all, (model) => (model === 'a' ? room : undefined), maxSize)
        const numbers = taken.map((one) => one.line)
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
        expect(taken.filter(({ model }) => model === 'a').length).toBeLessThanOrEqual(room)
        const size = taken.reduce((sum, one) => sum + one.size, 0)
        expect(size <= maxSize || taken.length === 1).toBe(true)
        const first = all.find(({ model }) => model !== 'a' || room > 0)
        expect(taken[0]).toBe(first)
      }),
    )
  })
})
