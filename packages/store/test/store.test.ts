import { readdir, readFile } from 'node:fs/promises'
import type { JobSpec } from '@inferq/contracts'
import { createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createStore, type Store, type StoreOptions } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec, startOf } from './support/jobs.ts'

/** One suite over every kind of database. A test has owners of its own on a shared schema. */
describe.each(databaseKinds())('the store on $name', ({ start }) => {
  let server: DatabaseServer
  let store: Store
  let pool: pg.Pool

  beforeAll(async () => {
    server = await start()
    store = createStore({ url: server.url, log: createSilentLog(), relayAfterMs: 0 })
    pool = new pg.Pool({ connectionString: server.url, max: 1 })
    pool.on('error', () => {})
    await until(() =>
      store.ping().then(
        () => true,
        () => false,
      ),
    )
    await store.migrate()
  })

  afterAll(async () => {
    await pool?.end()
    await store?.close()
    await server?.stop()
  })

  const anotherStore = (options: Partial<StoreOptions> = {}): Store => {
    const another = createStore({ url: server.url, log: createSilentLog(), ...options })
    onTestFinished(() => another.close())
    return another
  }
  const sql = async (text: string, values: unknown[] = []) => (await pool.query(text, values)).rows
  const found = async (jobId: string, owner = 'owner') => {
    const lookup = await store.getJob(jobId, owner)
    if (lookup.kind !== 'found') throw new Error(`${jobId} is ${lookup.kind}`)
    return lookup.job
  }
  /** Of these jobs those that have not ended, as they would be made anew. */
  const openSpecs = async (jobIds: readonly string[], from = store) =>
    (await from.claimLost(jobIds)).map(({ spec }) => spec)
  const bills = (jobIds: readonly string[]) => sql('select * from usage where job_id = any($1)', [jobIds])

  describe('accepting', () => {
    it('keeps every field of an accepted job', async () => {
      const spec = jobSpec({
        metadata: { a: '1', ü: '😀' },
        request: { prompt: 'x', n: 1e21, nested: { deep: [null, true] } },
      })
      await store.insertAccepted([spec])
      expect(await openSpecs([spec.id])).toEqual([spec])
      expect(await found(spec.id)).toMatchObject({
        status: 'queued',
        class: 'gpu',
        createdAt: spec.createdAt,
        startBy: spec.startBy,
        enqueuedAt: null,
        startedAt: null,
        endedAt: null,
        usage: null,
        costNanoUsd: null,
        servedModel: null,
        route: null,
        attempts: [],
        result: null,
      })
    })

    it('keeps NUL and lone surrogates in a request, and replaces them where they are searched', async () => {
      const strange = 'a\0b\ud800c\\u0000'
      const spec = jobSpec({
        request: { prompt: strange },
        metadata: { note: strange, [strange]: 'key' },
        requestId: 'r\0q',
      })
      await store.insertAccepted([spec])
      const [stored] = await openSpecs([spec.id])
      expect(stored?.request).toEqual({ prompt: strange })
      expect(stored?.metadata).toEqual({ note: 'a\ufffdb\ufffdc\\u0000', 'a\ufffdb\ufffdc\\u0000': 'key' })
      expect(stored?.requestId).toBe('r\ufffdq')
    })

    it('keeps how a job was routed, so that it can run again as it was meant', async () => {
      const route = { strategy: 'simple-shuffle', rule: 'routing[2]', variant: 'large', reason: 'tokens > 30000' }
      const cascade = { escalateOn: ['refusal' as const], check: 'completion_tokens > 3' }
      const candidates = [
        { model: 'small', class: 'gpu', deployments: ['gpu-1'], verify: true as const },
        { model: 'large', class: 'cloud', deployments: ['cloud-1'] },
      ]
      const spec = jobSpec({ route, cascade, candidates })
      await store.insertAccepted([spec])
      expect(await openSpecs([spec.id])).toEqual([spec])
      await store.commitOutcomes([endOf(spec, { servedModel: 'large' })])
      expect(await found(spec.id)).toMatchObject({ model: 'small', servedModel: 'large', route })
    })

    it('leaves a job as it is when it is inserted twice', async () => {
      const spec = jobSpec()
      await store.insertAccepted([spec])
      await store.commitOutcomes([endOf(spec)])
      await store.insertAccepted([spec, spec])
      expect((await found(spec.id)).status).toBe('completed')
    })

    it('lets many submits share few commits', async () => {
      const specs = Array.from({ length: 300 }, () => jobSpec({ owner: 'sharer' }))
      await Promise.all(specs.map((spec) => store.insertAccepted([spec])))
      const [counts] = await sql(
        `select count(*)::int as jobs, count(distinct xmin::text)::int as commits from jobs where owner = 'sharer'`,
      )
      expect(counts.jobs).toBe(300)
      expect(counts.commits).toBeLessThan(20)
    })

    it('refuses only the submit whose values are impossible', async () => {
      const good = Array.from({ length: 20 }, () => jobSpec({ owner: 'neighbour' }))
      const impossible = [jobSpec({ startBy: Number.NaN }), jobSpec({ finishBy: 1e18 })]
      const submits = [...good.slice(0, 10), ...impossible, ...good.slice(10)].map((spec) =>
        store.insertAccepted([spec]),
      )
      const outcomes = await Promise.allSettled(submits)
      expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(2)
      expect((await store.listJobs('neighbour', { limit: 100 })).jobs).toHaveLength(20)
    })

    it('takes all of a call or none', async () => {
      const specs = [jobSpec({ owner: 'all-or-none' }), jobSpec({ owner: 'all-or-none', finishBy: 1e18 })]
      await expect(store.insertAccepted(specs)).rejects.toThrow()
      expect((await store.listJobs('all-or-none', { limit: 10 })).jobs).toEqual([])
    })

    it('keeps large requests of several processes apart', async () => {
      const processes = [store, anotherStore(), anotherStore(), anotherStore()]
      const specs = Array.from({ length: 60 }, (_, index) =>
        jobSpec({ owner: 'large', request: { prompt: `${index}`.repeat(index % 2 === 0 ? 1 : 200_000) } }),
      )
      await Promise.all(
        specs.map(async (spec, index) => {
          const process = processes[index % processes.length] as Store
          await process.insertAccepted([spec])
          expect(await openSpecs([spec.id], process)).toEqual([spec])
          await process.markEnqueued([spec.id])
        }),
      )
      expect((await store.listJobs('large', { limit: 100 })).jobs).toHaveLength(60)
    })
  })

  describe('relaying', () => {
    it('gives each job that was not enqueued to one claimer until its lease ends', async () => {
      const specs = Array.from({ length: 30 }, () => jobSpec({ owner: 'relay' }))
      await store.insertAccepted(specs)
      await store.markEnqueued(specs.slice(0, 5).map(({ id }) => id))
      const claim = (leaseMs: number) => store.claimUnqueued({ limit: 1_000, leaseMs })
      const claims = (await Promise.all([claim(60_000), claim(60_000), claim(60_000)])).flat()
      const mine = claims.filter(({ owner }) => owner === 'relay').map(({ id }) => id)
      expect(mine.toSorted()).toEqual(
        specs
          .slice(5)
          .map(({ id }) => id)
          .toSorted(),
      )
      expect(await claim(60_000)).toEqual([])
    })

    it('gives a job again when its claimer was not heard of', async () => {
      const spec = jobSpec({ owner: 'again' })
      await store.insertAccepted([spec])
      const claimed = async () =>
        (await store.claimUnqueued({ limit: 1_000, leaseMs: 0 })).filter(({ id }) => id === spec.id)
      expect(await claimed()).toEqual([spec])
      expect(await claimed()).toEqual([spec])
      await store.markEnqueued([spec.id])
      expect(await claimed()).toEqual([])
    })

    it('leaves a fresh job to the process that accepted it', async () => {
      const patient = anotherStore({ relayAfterMs: 60_000 })
      const spec = jobSpec()
      await patient.insertAccepted([spec])
      const claimed = await patient.claimUnqueued({ limit: 1_000, leaseMs: 0 })
      expect(claimed.map(({ id }) => id)).not.toContain(spec.id)
    })
  })

  describe('recording', () => {
    it('records start and end of an asynchronous job, and forgets its prompt', async () => {
      const spec = jobSpec()
      await store.insertAccepted([spec])
      await store.commitOutcomes([startOf(spec)])
      expect(await found(spec.id)).toMatchObject({ status: 'in_progress', startedAt: spec.createdAt + 1_000 })

      const end = endOf(spec)
      expect(await store.commitOutcomes([end])).toEqual({ ended: [end], rejected: [], deliveries: 0 })
      expect(await found(spec.id)).toMatchObject({
        status: 'completed',
        attempts: end.attempts,
        deployment: 'gpu-1',
        firstTokenAt: spec.createdAt + 1_200,
        endedAt: end.endedAt,
        usage: { promptTokens: 10, completionTokens: 20 },
        costNanoUsd: 1_234,
        finishReason: 'stop',
        result: end.result,
        candidates: spec.candidates,
      })
      expect(await sql('select request from jobs where id = $1', [spec.id])).toEqual([{ request: null }])
    })

    it('records an interactive job by its end alone', async () => {
      const spec = jobSpec({ mode: 'interactive' })
      const { result: _result, ...end } = endOf(spec, {
        status: 'failed',
        error: { code: 'upstream_timeout', message: 'slow' },
      })
      await store.commitOutcomes([end])
      expect(await found(spec.id)).toMatchObject({
        mode: 'interactive',
        status: 'failed',
        keepResult: false,
        result: null,
        error: { code: 'upstream_timeout', message: 'slow' },
      })
    })

    it('says that tokens and cost are not known instead of zero', async () => {
      const { usage: _usage, ...end } = endOf(jobSpec({ mode: 'interactive' }), { costNanoUsd: null })
      await store.commitOutcomes([end])
      expect(await found(end.jobId)).toMatchObject({ usage: null, costNanoUsd: null })
      expect(await bills([end.jobId])).toMatchObject([{ prompt_tokens: null, cost_nano_usd: null }])
    })

    it('keeps what each attempt cost, and which model it called, beside the one bill', async () => {
      const spec = jobSpec({ mode: 'interactive' })
      const attempt = { hop: 0, class: 'gpu', worker: 'w1', startedAt: spec.createdAt, endedAt: spec.createdAt + 5 }
      const end = endOf(spec, {
        servedModel: 'large',
        models: ['small', 'large'],
        route: { strategy: 'simple-shuffle', reason: 'asked' },
        costNanoUsd: 2_000_000_123,
        attempts: [
          { ...attempt, attempt: 1, worker: 'w0' },
          { ...attempt, attempt: 2, deployment: 'gpu-1', outcome: 'fallback' },
          {
            ...{ ...attempt, attempt: 3, hop: 1, deployment: 'cloud-1', outcome: 'completed' },
            ...{ usage: { promptTokens: 7, completionTokens: 8 }, costNanoUsd: 2_000_000_123 },
          },
        ],
      })
      expect((await store.commitOutcomes([end])).ended).toEqual([end])
      expect((await store.commitOutcomes([end])).ended).toEqual([])
      const costs = await sql('select * from attempt_cost where job_id = $1 order by attempt', [spec.id])
      expect(costs).toMatchObject([
        {
          attempt: 2,
          deployment: 'gpu-1',
          model: 'small',
          outcome: 'fallback',
          prompt_tokens: null,
          cost_nano_usd: null,
        },
        { attempt: 3, deployment: 'cloud-1', model: 'large', prompt_tokens: 7, cost_nano_usd: '2000000123' },
      ])
      const [bill] = await bills([spec.id])
      expect(bill).toMatchObject({ model: 'large', requested_model: 'small', cost_nano_usd: '2000000123' })
      expect(await found(spec.id)).toMatchObject({ costNanoUsd: 2_000_000_123, route: { reason: 'asked' } })
    })

    it('keeps the first end when ends and starts come twice and late', async () => {
      const spec = jobSpec()
      await store.insertAccepted([spec])
      const end = endOf(spec)
      const late = endOf(spec, { status: 'expired', endedAt: end.endedAt + 1 })
      expect((await store.commitOutcomes([end, late])).ended).toEqual([end])
      expect((await store.commitOutcomes([startOf(spec), end])).ended).toEqual([])
      expect((await store.commitOutcomes([late])).ended).toEqual([])
      expect((await store.commitOutcomes([startOf(spec)])).ended).toEqual([])
      expect(await found(spec.id)).toMatchObject({ status: 'completed', endedAt: end.endedAt })
      expect(await bills([spec.id])).toHaveLength(1)
    })

    it('reports each end once and bills it once when several controllers record the same', async () => {
      const specs = Array.from({ length: 200 }, (_, index) =>
        jobSpec({ mode: index % 2 === 0 ? 'interactive' : 'async' }),
      )
      await store.insertAccepted(specs.filter(({ mode }) => mode === 'async'))
      const ends = specs.map((spec) => endOf(spec))
      const reports = await Promise.all(
        [ends, ends.toReversed(), [...ends.slice(100), ...ends.slice(0, 100)], ends.slice(50)].map((messages) =>
          anotherStore({ maxConnections: 1 }).commitOutcomes(messages),
        ),
      )
      const reported = reports.flatMap(({ ended }) => ended.map(({ jobId }) => jobId))
      expect(reported.toSorted()).toEqual(specs.map(({ id }) => id).toSorted())
      expect(await bills(specs.map(({ id }) => id))).toHaveLength(200)
    })

    it('keeps NUL and lone surrogates in a result, and replaces them where they are searched', async () => {
      const strange = 'a\0b\udc00c'
      const end = endOf(jobSpec({ mode: 'interactive' }), {
        result: { text: strange },
        error: { code: 'upstream_error', message: strange },
        model: 'm\0',
        finishReason: strange,
        metadata: { note: strange },
      })
      expect(await store.commitOutcomes([end])).toMatchObject({ rejected: [] })
      expect(await found(end.jobId)).toMatchObject({
        result: { text: strange },
        error: { message: 'a\ufffdb\ufffdc' },
        model: 'm\ufffd',
        metadata: { note: 'a\ufffdb\ufffdc' },
      })
    })

    it('records a batch around outcomes that Postgres refuses, and those without their content', async () => {
      const specs = Array.from({ length: 100 }, () => jobSpec())
      await store.insertAccepted(specs)
      const ends = specs.map((spec, index) =>
        index % 33 === 5 ? endOf(spec, { usage: { promptTokens: 1.5, completionTokens: 2 ** 40 } }) : endOf(spec),
      )
      ends[50] = endOf(specs[50] as JobSpec, { finishReason: 5 as never })
      const report = await store.commitOutcomes(ends)
      expect(report.rejected).toEqual([])
      expect(report.ended).toHaveLength(100)
      expect(await found(specs[5]?.id ?? '')).toMatchObject({
        status: 'completed',
        result: null,
        usage: null,
        error: { code: 'internal_error' },
      })
      expect(await found(specs[6]?.id ?? '')).toMatchObject({ usage: { promptTokens: 10 }, error: null })
      expect(await bills(specs.map(({ id }) => id))).toHaveLength(100)
    })

    it('hands back what cannot be recorded at all', async () => {
      const good = endOf(jobSpec({ mode: 'interactive' }))
      const bad = endOf(jobSpec({ mode: 'interactive' }), { endedAt: 1e18 })
      const started = jobSpec()
      await store.insertAccepted([started])
      const report = await store.commitOutcomes([bad, good, { ...startOf(started), at: Number.NaN }])
      expect(report.ended).toEqual([good])
      expect(report.rejected.map(({ message }) => message.kind).toSorted()).toEqual(['end', 'start'])
    })
  })

  describe('reading', () => {
    it('shows a job to its owner alone', async () => {
      const spec = jobSpec({ owner: 'mine' })
      await store.insertAccepted([spec])
      expect(await store.getJob(spec.id, 'mine')).toMatchObject({ kind: 'found' })
      expect(await store.getJob(spec.id, 'yours')).toEqual({ kind: 'unknown' })
      expect(await store.getJob('job_none', 'mine')).toEqual({ kind: 'unknown' })
      expect(await store.getJob('job_\0', 'mine')).toEqual({ kind: 'unknown' })
    })

    it('pages through a list, newest first, each job once, also when many have the same time', async () => {
      const specs = Array.from({ length: 25 }, (_, index) =>
        jobSpec({ owner: 'lister', createdAt: 1_750_000_000_000 + (index >> 3) }),
      )
      await store.insertAccepted(specs)
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await store.listJobs('lister', { limit: 7, ...(after === undefined ? {} : { after }) })
        seen.push(...page.jobs.map(({ id }) => id))
        after = page.next ?? undefined
      } while (after !== undefined)
      const newestFirst = specs.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
      expect(seen).toEqual(newestFirst.map(({ id }) => id))
    })

    it('filters a list, and leaves results out of it', async () => {
      const done = jobSpec({ owner: 'filter', model: 'large' })
      const waiting = jobSpec({ owner: 'filter', type: 'embedding', operation: 'embeddings' })
      await store.insertAccepted([done, waiting])
      await store.commitOutcomes([endOf(done)])
      const list = async (query: object) =>
        (await store.listJobs('filter', { limit: 10, ...query })).jobs.map(({ id }) => id)
      expect(await list({ status: 'completed' })).toEqual([done.id])
      expect(await list({ type: 'embedding' })).toEqual([waiting.id])
      expect(await list({ model: 'large' })).toEqual([done.id])
      expect(await list({ class: 'gpu' })).toHaveLength(2)
      expect(await list({ class: 'cpu' })).toEqual([])
      expect((await store.listJobs('filter', { limit: 10 })).jobs.map(({ result }) => result)).toEqual([null, null])
    })

    it('filters a list by metadata and by time', async () => {
      const at = (place: number) => 1_750_000_000_000 + place
      const metadatas = [{ doc: '1', lang: 'de' }, { doc: '1' }, { doc: '2', odd: 'a\0b' }, {}]
      const specs = metadatas.map((metadata, place) => jobSpec({ owner: 'meta', metadata, createdAt: at(place) }))
      await store.insertAccepted([...specs, jobSpec({ owner: 'other', metadata: { doc: '1' } })])
      const list = async (query: object) =>
        (await store.listJobs('meta', { limit: 10, ...query })).jobs.map(({ id }) =>
          specs.findIndex((spec) => spec.id === id),
        )
      expect(await list({ metadata: { doc: '1' } })).toEqual([1, 0])
      expect(await list({ metadata: { doc: '1', lang: 'de' } })).toEqual([0])
      expect(await list({ metadata: { odd: 'a\0b' } })).toEqual([2])
      expect(await list({ metadata: { doc: '3' } })).toEqual([])
      expect(await list({ metadata: {} })).toEqual([3, 2, 1, 0])
      expect(await list({ createdAfter: at(1) })).toEqual([3, 2])
      expect(await list({ createdBefore: at(1) })).toEqual([0])
      expect(await list({ createdAfter: at(0), createdBefore: at(3), metadata: { doc: '2' } })).toEqual([2])
      expect(await list({ model: 'x\0', class: '\ud800' })).toEqual([])
    })

    it.each(['', 'x', '1.', '99999999999999999.job_1', `1.${'a'.repeat(200)}`])(
      'refuses %j as a place to go on from',
      async (after) => {
        await expect(store.listJobs('owner', { limit: 1, after })).rejects.toMatchObject({
          code: 'invalid_value',
          detail: { param: 'after' },
        })
      },
    )
  })

  describe('keeping up', () => {
    it('finds jobs that were not started or not ended in time', async () => {
      const base = Date.UTC(2001, 0, 1)
      const times = { createdAt: base, startBy: base + 10, finishBy: base + 100 }
      const [late, started, stuck, done] = [jobSpec(times), jobSpec(times), jobSpec(times), jobSpec(times)] as const
      await store.insertAccepted([late, started, stuck, done, jobSpec({ ...times, startBy: base + 50 })])
      await store.commitOutcomes([startOf(started), startOf(stuck), endOf(done)])
      const overdue = async (now: number) => (await store.findOverdue({ now, limit: 100 })).map(({ id }) => id)
      expect(await overdue(base + 10)).toEqual([])
      expect(await overdue(base + 11)).toEqual([late.id])
      expect((await overdue(base + 101)).toSorted()).toContain(stuck.id)
      expect(await store.findOverdue({ now: base + 101, limit: 2 })).toHaveLength(2)
      await store.commitOutcomes([late, started, stuck].map((spec) => endOf(spec, { status: 'expired' })))
      expect(await overdue(base + 49)).toEqual([])
    })

    it('walks over enqueued jobs that have not ended, and puts lost ones back', async () => {
      const specs = Array.from({ length: 10 }, () => jobSpec({ owner: 'walker' }))
      const ids = specs.map(({ id }) => id)
      await store.insertAccepted(specs)
      await store.markEnqueued(ids.slice(1))
      await store.commitOutcomes([startOf(specs[8] as never), endOf(specs[9] as never)])
      const walk = async (enqueuedForMs = 0) => {
        const seen: string[] = []
        for (let after = ''; ; ) {
          const page = await store.findOpen({ after, limit: 3, enqueuedForMs })
          seen.push(...page)
          const last = page.at(-1)
          if (last === undefined) return seen.filter((id) => ids.includes(id))
          after = last
        }
      }
      expect(await walk()).toEqual(ids.slice(1, 9).toSorted())
      expect(await walk(60_000)).toEqual([])
      expect((await openSpecs(ids)).map(({ id }) => id).toSorted()).toEqual(ids.slice(0, 9).toSorted())
      await store.markRequeued(ids)
      expect((await found(ids[8] ?? '', 'walker')).status).toBe('queued')
      expect((await found(ids[9] ?? '', 'walker')).status).toBe('completed')
    })

    it('keeps what it takes to run a job again that gave no result, until it is dropped', async () => {
      const createdAt = Date.UTC(2000, 0, 1)
      const share = { tenant: 'acme', weight: 0.5, tokens: 600 }
      const specs = Array.from({ length: 5 }, () =>
        jobSpec({ owner: 'again', createdAt, retryOf: 'job_before', share }),
      )
      const [failed, expired, cancelled, completed, open] = specs as [JobSpec, JobSpec, JobSpec, JobSpec, JobSpec]
      const interactive = jobSpec({ owner: 'again', mode: 'interactive', createdAt })
      await store.insertAccepted(specs)
      await store.commitOutcomes([
        endOf(failed, { status: 'failed' }),
        endOf(expired, { status: 'expired' }),
        endOf(cancelled, { status: 'cancelled' }),
        endOf(completed),
        endOf(interactive, { status: 'failed' }),
      ])
      for (const spec of [failed, expired, cancelled]) expect(await store.endedSpec(spec.id, 'again')).toEqual(spec)
      for (const spec of [completed, open, interactive]) expect(await store.endedSpec(spec.id, 'again')).toBeNull()
      expect(await store.endedSpec(failed.id, 'owner')).toBeNull()
      expect(await sql('select request from jobs where id = $1', [completed.id])).toEqual([{ request: null }])
      expect(await found(failed.id, 'again')).toMatchObject({ retryOf: 'job_before' })
      expect(await openSpecs(specs.map(({ id }) => id))).toEqual([open])

      expect(await store.dropRequests({ endedBefore: createdAt, limit: 10 })).toBe(0)
      const endedBefore = createdAt + 86_400_000
      expect(await store.dropRequests({ endedBefore, limit: 2 })).toBe(2)
      expect(await store.dropRequests({ endedBefore, limit: 2 })).toBe(1)
      expect(await store.dropRequests({ endedBefore, limit: 2 })).toBe(0)
      expect(await store.endedSpec(failed.id, 'again')).toBeNull()
      expect((await found(failed.id, 'again')).status).toBe('failed')
      expect(await openSpecs([open.id])).toEqual([open])
    })

    it('deletes ended jobs a few at a time, keeps their bills, and tells gone from unknown', async () => {
      const specs = Array.from({ length: 5 }, () => jobSpec({ owner: 'old', createdAt: Date.UTC(1997, 0, 1) }))
      await store.insertAccepted(specs)
      await store.commitOutcomes(specs.slice(0, 4).map((spec) => endOf(spec)))
      const endedBefore = Date.UTC(1997, 0, 2)
      expect(await store.deleteEnded({ endedBefore, limit: 3 })).toBe(3)
      expect(await store.deleteEnded({ endedBefore, limit: 3 })).toBe(1)
      expect(await store.deleteEnded({ endedBefore, limit: 3 })).toBe(0)
      expect(await bills(specs.map(({ id }) => id))).toHaveLength(4)
      expect(await store.getJob(specs[0]?.id ?? '', 'old')).toEqual({ kind: 'gone' })
      expect(await store.getJob(specs[0]?.id ?? '', 'owner')).toEqual({ kind: 'unknown' })
      expect(await store.getJob(specs[4]?.id ?? '', 'old')).toMatchObject({ kind: 'found' })
      expect(await store.endedAmong([...specs.map(({ id }) => id), 'job_none'])).toEqual([])
    })

    it('deletes jobs behind those that somebody still has to be told of', async () => {
      const webhook = { url: 'https://example.org/hook', events: ['job.completed' as const] }
      const createdAt = Date.UTC(1996, 0, 1)
      const told = Array.from({ length: 3 }, () => jobSpec({ owner: 'old', createdAt, webhook }))
      const others = Array.from({ length: 2 }, () => jobSpec({ owner: 'old', createdAt: createdAt + 60_000 }))
      await store.insertAccepted([...told, ...others])
      await store.commitOutcomes([...told, ...others].map((spec) => endOf(spec)))
      expect((await store.endedAmong(told.map(({ id }) => id))).toSorted()).toEqual(told.map(({ id }) => id).toSorted())
      const page = { endedBefore: Date.UTC(1996, 0, 2), limit: 1 }
      expect([await store.deleteEnded(page), await store.deleteEnded(page), await store.deleteEnded(page)]).toEqual([
        1, 1, 0,
      ])
      expect(await store.getJob(told[0]?.id ?? '', 'old')).toMatchObject({ kind: 'found' })
      await sql('delete from jobs where id = any($1)', [told.map(({ id }) => id)])
    })

    it('deletes bills, and what attempts cost, after a time of their own, a few at a time', async () => {
      const specs = Array.from({ length: 3 }, () => jobSpec({ owner: 'old', createdAt: Date.UTC(1995, 0, 1) }))
      const ids = specs.map(({ id }) => id)
      await store.commitOutcomes(specs.map((spec) => endOf({ ...spec, mode: 'interactive' })))
      const page = { before: Date.UTC(1995, 0, 2), limit: 2 }
      expect(await store.deleteUsage({ ...page, before: Date.UTC(1994, 0, 1) })).toBe(0)
      expect([await store.deleteUsage(page), await store.deleteUsage(page), await store.deleteUsage(page)]).toEqual([
        2, 1, 0,
      ])
      expect(await bills(ids)).toEqual([])
      expect(await sql('select 1 from attempt_cost where job_id = any($1)', [ids])).toEqual([])
      await store.deleteEnded({ endedBefore: page.before, limit: 10 })
    })
  })

  describe('models added at run time', () => {
    const model = (id: string, overrides: object = {}) => ({
      ...{ id, modelName: 'added', sealedParams: `sealed ${id}`, modelInfo: { mode: 'chat' }, createdBy: 'master' },
      ...overrides,
    })
    beforeEach(() => sql('delete from models'))

    it('are kept in the order they came, and every change makes a higher version', async () => {
      const versions = [(await store.listModels()).version]
      const note = async () => versions.push((await store.listModels()).version)
      expect(await store.insertModel(model('m2', { modelInfo: { note: 'a\0b', deep: [{ x: null }] } }))).toBe(true)
      await note()
      expect(await store.insertModel(model('m1'))).toBe(true)
      await note()
      expect(await store.updateModel(model('m2', { modelName: 'renamed' }))).toBe(true)
      await note()
      expect(await store.deleteModel('m1')).toBe(true)
      await note()
      expect(versions).toEqual(versions.map((_, index) => (versions[0] ?? 0) + index))
      const { models } = await store.listModels()
      expect(models).toMatchObject([{ id: 'm2', modelName: 'renamed', sealedParams: 'sealed m2', createdBy: 'master' }])
      expect(models[0]?.createdAt).toBeGreaterThan(Date.now() - 60_000)
    })

    it('are not added twice, though the same call may come twice, and are not changed when they are not there', async () => {
      expect(await store.insertModel(model('m1'))).toBe(true)
      const { version } = await store.listModels()
      expect(await store.insertModel(model('m1'))).toBe(true)
      expect(await store.insertModel(model('m1', { sealedParams: 'other' }))).toBe(false)
      expect(await store.updateModel(model('m3'))).toBe(false)
      expect(await store.deleteModel('m3')).toBe(false)
      expect(await store.listModels()).toMatchObject({ version, models: [{ sealedParams: 'sealed m1' }] })
    })

    it('get one version each when many processes change them at once, none seen before its change', async () => {
      const before = await store.listModels()
      const others = [store, anotherStore(), anotherStore()]
      const readings: { version: number; models: readonly unknown[] }[] = []
      await Promise.all(
        Array.from({ length: 30 }, async (_, index) => {
          const process = others[index % others.length] as Store
          await process.insertModel(model(`c${index}`))
          readings.push(await process.listModels())
        }),
      )
      expect((await store.listModels()).version).toBe(before.version + 30)
      for (const { version, models } of readings) expect(models).toHaveLength(version - before.version)
    })
  })

  describe('losing the database', () => {
    it('works again, with everything committed, after the database was killed', async () => {
      const spec = jobSpec()
      await store.insertAccepted([spec])
      await server.crash()
      await until(() =>
        store.getJob(spec.id, 'owner').then(
          ({ kind }) => kind === 'found',
          () => false,
        ),
      )
      await store.commitOutcomes([endOf(spec)])
      expect((await found(spec.id)).status).toBe('completed')
    })
  })

  describe('migrating', () => {
    /** Of this code's migrations. */
    const versions = async () =>
      (await readdir(new URL('../migrations/', import.meta.url)))
        .map((file) => Number(file.slice(0, 4)))
        .toSorted((a, b) => a - b)
    beforeEach(() => sql('drop schema public cascade; create schema public'))

    it('applies everything once, however many processes start at once', async () => {
      const applied = await Promise.all(Array.from({ length: 6 }, () => anotherStore({ maxConnections: 2 }).migrate()))
      expect(applied.flat()).toEqual(await versions())
      expect(await store.migrate()).toEqual([])
      await store.insertAccepted([jobSpec()])
    })

    it('carries bills over to finer money', async () => {
      const first = await readFile(new URL('../migrations/0001_jobs.sql', import.meta.url), 'utf8')
      await sql(first)
      await sql(`insert into usage (job_id, owner, type, model, class, cost_micro_usd, at)
        values ('old', 'o', 'completion', 'm', 'c', 1500000, now()), ('free', 'o', 'completion', 'm', 'c', null, now())`)
      const second = await readFile(new URL('../migrations/0002_models.sql', import.meta.url), 'utf8')
      await sql(second)
      expect(await sql('select job_id, requested_model, cost_nano_usd from usage order by job_id')).toEqual([
        { job_id: 'free', requested_model: 'm', cost_nano_usd: null },
        { job_id: 'old', requested_model: 'm', cost_nano_usd: '1500000000' },
      ])
    })

    it('refuses a database that is newer than the code', async () => {
      await store.migrate()
      const known = (await versions()).length
      await sql(`insert into schema_migrations (version, name, checksum) values (${known + 1}, 'later', 'x')`)
      await expect(store.migrate()).rejects.toThrow(
        `The database is at migration ${known + 1}, this code knows ${known}`,
      )
    })

    it('refuses a migration that was edited after it was applied', async () => {
      await store.migrate()
      await sql(`update schema_migrations set checksum = 'x'`)
      await expect(store.migrate()).rejects.toThrow('Migration 1 (jobs) was applied with other content')
    })
  })
})
