import { createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStore, type NewBatch, type NewBatchLine, type Store } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec } from './support/jobs.ts'

/** One suite over every kind of database, on one schema: each test has an owner of its own. */
describe.each(databaseKinds())('files and batches on $name', ({ start }) => {
  let server: DatabaseServer
  let store: Store
  let made = 0

  beforeAll(async () => {
    server = await start()
    store = createStore({ url: server.url, log: createSilentLog(), relayAfterMs: 0 })
    await until(() =>
      store.ping().then(
        () => true,
        () => false,
      ),
    )
    await store.migrate()
  })
  afterAll(async () => {
    await store?.close()
    await server?.stop()
  })

  const lease = (holder: string, leaseMs = 60_000) => ({ holder, leaseMs })
  const file = async (
    owner: string,
    facts: { purpose?: string; expiresAt?: number | null; createdAt?: number } = {},
  ) => {
    const id = `file-${++made}`
    const { purpose = 'batch', expiresAt = null, createdAt = Date.now() } = facts
    await store.insertFile({ id, owner, createdAt })
    await store.completeFile({ id, purpose, filename: `${id}.jsonl`, bytes: made, expiresAt })
    return id
  }
  const batch = async (owner: string, overrides: Partial<NewBatch> = {}) => {
    const id = `batch_${++made}`
    const createdAt = Date.now() + made
    await store.insertBatch({
      ...{ id, owner, endpoint: '/v1/chat/completions', inputFileId: 'file-none', completionWindow: '24h' },
      ...{ metadata: { a: 'b\0' }, caller: { user: 'ann', metadata: { tags: ['x'] }, tenant: 'acme' } },
      ...{ createdAt, expiresAt: createdAt + 86_400_000, outputExpiresSeconds: null },
      ...overrides,
    })
    return id
  }
  const lineOf = (batchId: string, line: number): NewBatchLine => ({
    ...{ line, customId: `c${line}`, jobId: `job_${batchId.slice(6)}b${line}`, model: 'chat', operation: 'chat' },
    body: { messages: [{ role: 'user', content: `\0 ${line}` }] },
  })
  /** Claims exactly this batch, among those of other tests. */
  const claim = async (stage: 'intake' | 'run' | 'output', id: string, holder = 'h', leaseMs = 60_000) =>
    (await store.claimBatches(stage, { ...lease(holder, leaseMs), limit: 1_000 })).find((one) => one.id === id)
  const started = async (owner: string, lines: number, overrides: Partial<NewBatch> = {}) => {
    const id = await batch(owner, overrides)
    await claim('intake', id)
    const all = Array.from({ length: lines }, (_, index) => lineOf(id, index + 1))
    expect(await store.addBatchLines(id, lease('h'), all)).toBe(true)
    expect(await store.startBatch(id, 'h', { total: lines, model: 'chat' })).toBe(true)
    return id
  }
  const specOf = (id: string, line: number) => jobSpec({ id: lineOf(id, line).jobId, metadata: { batch_id: id } })
  const submit = async (id: string, ...lines: number[]) => {
    await store.insertAccepted(lines.map((line) => specOf(id, line)))
    await store.markLinesQueued(id, lines)
  }
  const found = async (id: string, owner: string) => {
    const stored = await store.getBatch(id, owner)
    if (stored === null) throw new Error(`there is no ${id}`)
    return stored
  }

  describe('a file', () => {
    it('is seen by its owner alone, from when it is complete until it is deleted', async () => {
      await store.insertFile({ id: 'file-a', owner: 'f1', createdAt: 5_000 })
      expect(await store.getFile('file-a', 'f1')).toBeNull()
      const facts = { id: 'file-a', purpose: 'batch', filename: 'ü.jsonl', bytes: 3e9, expiresAt: null }
      expect(await store.completeFile(facts)).toBe(true)
      expect(await store.getFile('file-a', 'f1')).toEqual({ ...facts, owner: 'f1', createdAt: 5_000 })
      expect(await store.getFile('file-a', 'f2')).toBeNull()
      expect(await store.deleteFile('file-a', 'f2')).toBe('unknown')
      expect(await store.deleteFile('file-a', 'f1')).toBe('deleted')
      expect(await store.getFile('file-a', 'f1')).toBeNull()
      expect(await store.deleteFile('file-a', 'f1')).toBe('unknown')
      expect(await store.completeFile(facts)).toBe(false)
    })

    it('is listed by pages in either order, also among files of the same millisecond', async () => {
      const ids: string[] = []
      for (let index = 0; index < 7; index++) ids.push(await file('f3', { createdAt: 1_000 + (index >> 1) }))
      await file('f3', { purpose: 'user_data' })
      const times: number[][] = []
      for (const order of ['asc', 'desc'] as const) {
        const seen: string[] = []
        let page: Awaited<ReturnType<Store['listFiles']>>
        do {
          const after = seen.at(-1)
          const from = after === undefined ? {} : { after }
          page = await store.listFiles('f3', { limit: 3, order, purpose: 'batch', ...from })
          seen.push(...page.files.map(({ id }) => id))
        } while (page.hasMore)
        expect(new Set(seen)).toEqual(new Set(ids))
        expect(seen).toHaveLength(7)
        times.push(seen.map((id) => ids.indexOf(id) >> 1))
      }
      expect(times).toEqual([
        [0, 0, 1, 1, 2, 2, 3],
        [3, 2, 2, 1, 1, 0, 0],
      ])
      expect((await store.listFiles('f3', { limit: 10, order: 'asc' })).files).toHaveLength(8)
      expect(await store.listFiles('nobody', { limit: 10, order: 'asc' })).toEqual({ files: [], hasMore: false })
      const foreign = store.listFiles('f4', { limit: 3, order: 'asc', after: ids[0] ?? '' })
      await expect(foreign).rejects.toMatchObject({ code: 'invalid_value', detail: { param: 'after' } })
    })

    it('that is deleted, expired or was never finished is swept away, unless a batch is still read from it', async () => {
      const deleted = await file('f5')
      await store.deleteFile(deleted, 'f5')
      const expired = await file('f5', { expiresAt: Date.now() - 1 })
      expect(await store.getFile(expired, 'f5')).toBeNull()
      const kept = await file('f5', { expiresAt: Date.now() + 60_000 })
      await store.insertFile({ id: 'file-begun', owner: 'f5', createdAt: 1 })
      const read = await file('f5')
      const reader = await batch('f5', { inputFileId: read })
      expect(await store.deleteFile(read, 'f5')).toBe('in_use')
      const dead = () => store.findDeadFiles({ abandonedBefore: 1_000, limit: 100 })
      expect(await dead()).toEqual(expect.arrayContaining([deleted, expired, 'file-begun']))
      expect(await dead()).not.toContain(kept)
      await store.forgetFiles(await dead())
      expect(await dead()).toEqual([])
      await claim('intake', reader)
      await store.failBatch(reader, 'h', [])
      expect(await store.deleteFile(read, 'f5')).toBe('deleted')
    })
  })

  describe('a batch', () => {
    it('keeps what it was made with, for its owner', async () => {
      const id = await batch('b1', { outputExpiresSeconds: 3600 })
      expect(await found(id, 'b1')).toMatchObject({
        ...{ id, status: 'validating', endpoint: '/v1/chat/completions', metadata: { a: 'b\ufffd' } },
        ...{
          caller: { user: 'ann', metadata: { tags: ['x'] }, tenant: 'acme' },
          outputExpiresSeconds: 3600,
          errors: null,
        },
        counts: { total: 0, completed: 0, failed: 0 },
      })
      expect(await store.getBatch(id, 'b2')).toBeNull()
      const second = await batch('b1')
      const first = await store.listBatches('b1', { limit: 1 })
      expect([first.batches.map((one) => one.id), first.hasMore]).toEqual([[second], true])
      const rest = await store.listBatches('b1', { limit: 1, after: second })
      expect([rest.batches.map((one) => one.id), rest.hasMore]).toEqual([[id], false])
      await expect(store.listBatches('b2', { limit: 1, after: id })).rejects.toMatchObject({ code: 'invalid_value' })
    })

    it('is one process at a time, until its lease ends or is given back', async () => {
      const id = await batch('b3')
      expect(await claim('intake', id, 'one')).toBeDefined()
      expect(await claim('intake', id, 'two')).toBeUndefined()
      expect(await claim('intake', id, 'one')).toBeDefined()
      expect(await store.addBatchLines(id, lease('two'), [lineOf(id, 1)])).toBe(false)
      expect(await store.startBatch(id, 'two', { total: 1, model: null })).toBe(false)
      await store.releaseBatch(id, 'two')
      expect(await claim('intake', id, 'two')).toBeUndefined()
      await store.releaseBatch(id, 'one')
      expect(await claim('intake', id, 'two', 1)).toBeDefined()
      await until(() => claim('intake', id, 'three'))
      expect(await claim('run', id, 'three')).toBeUndefined()
    })

    it('that has faults fails with them, and its lines are forgotten', async () => {
      const id = await batch('b4')
      await claim('intake', id)
      await store.addBatchLines(id, lease('h'), [lineOf(id, 1)])
      const fault = { code: 'invalid_json_line', message: 'no JSON', param: null, line: 2 }
      expect(await store.failBatch(id, 'h', [fault])).toBe(true)
      expect(await found(id, 'b4')).toMatchObject({ status: 'failed', errors: [fault], failedAt: expect.any(Number) })
      expect(await store.findPendingLines(id, 10)).toEqual([])
    })
  })

  describe('the lines of a batch', () => {
    it('are taken in order, and added once however often', async () => {
      const id = await batch('l1')
      await claim('intake', id)
      for (let round = 0; round < 2; round++) {
        await store.addBatchLines(id, lease('h'), [lineOf(id, 2), lineOf(id, 1)])
        await store.addBatchLines(id, lease('h'), [lineOf(id, 5)])
      }
      await store.startBatch(id, 'h', { total: 3, model: 'chat' })
      const pending = await store.findPendingLines(id, 2)
      expect(pending.map(({ line }) => line)).toEqual([1, 2])
      expect(pending[0]).toEqual({
        ...{ line: 1, jobId: lineOf(id, 1).jobId, model: 'chat', operation: 'chat', accepted: false },
        size: JSON.stringify(lineOf(id, 1).body).length,
      })
      const requests = await store.readLineRequests(id, [2, 5, 9])
      expect([...requests]).toEqual(expect.arrayContaining([2, 5].map((line) => [line, lineOf(id, line).body])))
      expect(requests.size).toBe(2)
    })

    it('tell which were accepted by somebody who died before saying so', async () => {
      const id = await started('l2', 3)
      await store.insertAccepted([specOf(id, 2)])
      expect((await store.findPendingLines(id, 9)).map(({ accepted }) => accepted)).toEqual([false, true, false])
    })

    it('are counted once as their jobs end, with results and tokens', async () => {
      const id = await started('l3', 4)
      await submit(id, 1, 2, 3)
      await store.failPendingLines(id, [{ line: 4, error: { code: 'model_not_found', message: 'gone' } }])
      await store.failPendingLines(id, [{ line: 4, error: { code: 'model_not_found', message: 'again' } }])
      const queued = await store.findQueuedJobs(id)
      expect(queued).toEqual([1, 2, 3].map((line) => lineOf(id, line).jobId))
      expect(await store.collectEndedJobs(id, queued)).toBe(0)
      const error = { code: 'upstream_error' as const, message: 'no' }
      await store.commitOutcomes([
        endOf(specOf(id, 1), { usage: { promptTokens: 5, completionTokens: 7, cachedTokens: 2, reasoningTokens: 3 } }),
        endOf(specOf(id, 2), { status: 'failed', error, result: undefined }),
      ])
      const collected = await Promise.all([1, 2, 3].map(() => store.collectEndedJobs(id, queued)))
      expect(collected.reduce((sum, count) => sum + count)).toBe(2)
      expect(await found(id, 'l3')).toMatchObject({
        counts: { total: 4, completed: 1, failed: 2 },
        tokens: { input: 15, cached: 2, output: 27, reasoning: 3 },
      })
      expect(await store.endBatchRun(id)).toBe(false)
      expect(await store.findQueuedJobs(id)).toEqual([lineOf(id, 3).jobId])
      const answered = await store.readEndedLines(id, { completed: true, after: 0, limit: 10 })
      expect(answered).toMatchObject([{ line: 1, customId: 'c1', result: { object: 'chat.completion' }, error: null }])
      const others = await store.readEndedLines(id, { completed: false, after: 0, limit: 10 })
      expect(others).toMatchObject([
        { line: 2, status: 'failed', error },
        { line: 4, status: 'failed', error: { message: 'gone' }, createdAt: null },
      ])
    })

    it('keep their jobs from being deleted until their ends are taken over', async () => {
      const id = await started('l4', 1)
      await submit(id, 1)
      await store.commitOutcomes([endOf(specOf(id, 1))])
      const farFuture = Date.now() + 1e10
      await store.deleteEnded({ endedBefore: farFuture, limit: 1_000 })
      const { jobId } = lineOf(id, 1)
      expect(await store.getJob(jobId, 'owner')).toMatchObject({ kind: 'found' })
      await store.collectEndedJobs(id, [jobId])
      await store.deleteEnded({ endedBefore: farFuture, limit: 1_000 })
      expect(await store.getJob(jobId, 'owner')).toMatchObject({ kind: 'gone' })
      expect(await store.readEndedLines(id, { completed: true, after: 0, limit: 9 })).toHaveLength(1)
    })

    it('go when the output is written, and the batch is complete', async () => {
      const id = await started('l5', 1)
      await submit(id, 1)
      expect(await claim('output', id)).toBeUndefined()
      await store.commitOutcomes([endOf(specOf(id, 1))])
      await store.collectEndedJobs(id, [lineOf(id, 1).jobId])
      expect(await store.endBatchRun(id)).toBe(true)
      expect((await found(id, 'l5')).status).toBe('finalizing')
      expect(await claim('run', id)).toBeUndefined()
      expect(await claim('output', id)).toBeDefined()
      await store.finishBatch(id, { outputFileId: 'file-out', errorFileId: null })
      await store.finishBatch(id, { outputFileId: 'file-other', errorFileId: null })
      expect(await found(id, 'l5')).toMatchObject({ status: 'completed', outputFileId: 'file-out', errorFileId: null })
      expect(await store.readEndedLines(id, { completed: true, after: 0, limit: 9 })).toEqual([])
    })

    it('that were not submitted are closed by a cancellation, once', async () => {
      const id = await started('l6', 3)
      await submit(id, 1)
      expect(await store.cancelBatch(id, 'other')).toEqual({ kind: 'unknown' })
      expect(await store.cancelBatch(id, 'l6')).toMatchObject({ kind: 'cancelling', batch: { status: 'cancelling' } })
      expect(await store.cancelBatch(id, 'l6')).toMatchObject({ kind: 'cancelling' })
      expect(await store.closePendingLines(id, 'cancelled')).toBe(2)
      expect(await store.closePendingLines(id, 'cancelled')).toBe(0)
      await store.commitOutcomes([endOf(specOf(id, 1), { status: 'cancelled', result: undefined })])
      await store.collectEndedJobs(id, await store.findQueuedJobs(id))
      expect(await store.endBatchRun(id)).toBe(true)
      expect((await found(id, 'l6')).status).toBe('cancelling')
      await store.finishBatch(id, { outputFileId: null, errorFileId: 'file-e' })
      expect(await found(id, 'l6')).toMatchObject({ status: 'cancelled', cancelledAt: expect.any(Number) })
      expect(await store.cancelBatch(id, 'l6')).toMatchObject({ kind: 'cancelling', batch: { status: 'cancelled' } })
    })

    it('that are late make it expired', async () => {
      const id = await started('l7', 1)
      await store.expireBatch(id)
      await store.closePendingLines(id, 'expired')
      await store.endBatchRun(id)
      await store.finishBatch(id, { outputFileId: null, errorFileId: 'file-e' })
      expect(await found(id, 'l7')).toMatchObject({ status: 'expired', expiredAt: expect.any(Number) })
      expect(await store.cancelBatch(id, 'l7')).toMatchObject({ kind: 'ended' })
      expect(await store.deleteEndedBatches({ endedBefore: 1, limit: 10 })).toBe(0)
      expect(await store.deleteEndedBatches({ endedBefore: Date.now() + 1e10, limit: 1_000 })).toBeGreaterThan(0)
      expect(await store.getBatch(id, 'l7')).toBeNull()
    })
  })
})
