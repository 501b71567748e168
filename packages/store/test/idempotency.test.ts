import { createId, createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStore, type IdempotencyClaim, type Store } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { jobSpec } from './support/jobs.ts'

describe.each(databaseKinds())('idempotency keys on $name', ({ start }) => {
  let server: DatabaseServer
  let store: Store

  beforeAll(async () => {
    server = await start()
    store = createStore({ url: server.url, log: createSilentLog() })
    const isUp = (): Promise<boolean> =>
      store.ping().then(
        () => true,
        () => false,
      )
    await until(isUp)
    await store.migrate()
  })
  afterAll(async () => {
    await store?.close()
    await server?.stop()
  })

  const claim = (overrides: Partial<IdempotencyClaim> = {}): IdempotencyClaim => ({
    owner: 'owner',
    key: createId('key'),
    bodyHash: 'h1',
    subjectId: createId('job'),
    leaseMs: 60_000,
    keepMs: 60_000,
    ...overrides,
  })

  it('lets one of many be first, and tells the others what that one makes', async () => {
    const first = claim()
    const all = Array.from({ length: 12 }, () => ({ ...first, subjectId: createId('job') }))
    const results = await Promise.all(all.map((one) => store.claimIdempotencyKey(one)))
    const winner = all[results.findIndex(({ kind }) => kind === 'claimed')]
    expect(results.filter(({ kind }) => kind === 'claimed')).toHaveLength(1)
    for (const result of results.filter(({ kind }) => kind !== 'claimed')) {
      expect(result).toEqual({ kind: 'taken', subjectId: winner?.subjectId, leaseOver: false })
    }
  })

  it('is the first one’s again when its statement was sent twice', async () => {
    const first = claim()
    expect(await store.claimIdempotencyKey(first)).toEqual({ kind: 'claimed' })
    expect(await store.claimIdempotencyKey(first)).toEqual({ kind: 'claimed' })
  })

  it('refuses another request, and knows owners apart', async () => {
    const first = claim()
    await store.claimIdempotencyKey(first)
    const other = { ...first, subjectId: createId('job') }
    expect(await store.claimIdempotencyKey({ ...other, bodyHash: 'h2' })).toEqual({ kind: 'mismatch' })
    expect(await store.claimIdempotencyKey({ ...other, owner: 'another' })).toEqual({ kind: 'claimed' })
  })

  it('says when the first one has had its time, and gives the key to one of those who take over', async () => {
    const first = claim({ leaseMs: 0 })
    const { owner, key, subjectId: from } = first
    await store.claimIdempotencyKey(first)
    const later = { ...first, subjectId: createId('job') }
    expect(await store.claimIdempotencyKey(later)).toEqual({ kind: 'taken', subjectId: from, leaseOver: true })
    const ids = Array.from({ length: 5 }, () => createId('job'))
    const taken = await Promise.all(
      ids.map((to) => store.reclaimIdempotencyKey({ owner, key, from, to, leaseMs: 60_000, unlessMade: true })),
    )
    expect(taken.filter(Boolean)).toHaveLength(1)
    const winner = ids[taken.indexOf(true)] ?? ''
    expect(await store.reclaimIdempotencyKey({ owner, key, from, to: winner, leaseMs: 60_000, unlessMade: true })).toBe(
      true,
    )
    expect(await store.claimIdempotencyKey(later)).toEqual({ kind: 'taken', subjectId: winner, leaseOver: false })
  })

  it('is free after a release, but only by who has it', async () => {
    const first = claim()
    await store.claimIdempotencyKey(first)
    await store.releaseIdempotencyKey({ ...first, subjectId: 'job_other' })
    const other = { ...first, bodyHash: 'h2', subjectId: createId('job') }
    expect(await store.claimIdempotencyKey(other)).toEqual({ kind: 'mismatch' })
    await store.releaseIdempotencyKey(first)
    expect(await store.claimIdempotencyKey(other)).toEqual({ kind: 'claimed' })
  })

  it('is as good as none when it is too old, and is deleted then', async () => {
    const first = claim()
    await store.claimIdempotencyKey(first)
    const other = { ...first, bodyHash: 'h2', subjectId: createId('job') }
    expect(await store.claimIdempotencyKey({ ...other, keepMs: -1_000 })).toEqual({ kind: 'claimed' })
    const page = { createdBefore: Date.now() + 60_000, limit: 1 }
    expect(await store.deleteIdempotencyKeys(page)).toBe(1)
    let deleted = 1
    while (deleted > 0) deleted = await store.deleteIdempotencyKeys({ ...page, limit: 100 })
    expect(await store.claimIdempotencyKey({ ...first, bodyHash: 'h3' })).toEqual({ kind: 'claimed' })
    expect(await store.deleteIdempotencyKeys({ createdBefore: Date.now() - 60_000, limit: 10 })).toBe(0)
  })

  describe('what is made under a key', () => {
    const made = async (id: string): Promise<boolean> => (await store.getJob(id, 'owner')).kind === 'found'
    const batchOf = (id: string) => ({
      ...{
        id,
        owner: 'owner',
        endpoint: '/v1/embeddings',
        inputFileId: 'file_1',
        completionWindow: '24h',
        metadata: null,
      },
      ...{ caller: {}, createdAt: Date.now(), expiresAt: Date.now(), outputExpiresSeconds: null },
    })

    it('binds it: nobody takes it over or releases it while nobody knows of what was made', async () => {
      const hold = claim({ leaseMs: 0 })
      await store.claimIdempotencyKey(hold)
      const spec = jobSpec({ id: hold.subjectId })
      await store.insertAccepted([spec], hold)
      await store.insertAccepted([spec], hold)
      const { owner, key, subjectId: from } = hold
      const move = { owner, key, from, to: createId('job'), leaseMs: 0 }
      expect(await store.reclaimIdempotencyKey({ ...move, unlessMade: true })).toBe(false)
      await store.releaseIdempotencyKey(hold)
      expect(await store.claimIdempotencyKey({ ...hold, subjectId: move.to })).toMatchObject({ subjectId: from })
      // It has ended without an answer: the next one starts anew, and binds the key again.
      expect(await store.reclaimIdempotencyKey({ ...move, unlessMade: false })).toBe(true)
      await store.releaseIdempotencyKey({ owner, key, subjectId: move.to })
      expect(await store.claimIdempotencyKey({ ...hold, subjectId: move.to })).toEqual({ kind: 'claimed' })
    })

    it.each(['taken over', 'released'])('is not made when the key was %s before', async (how) => {
      const hold = claim({ leaseMs: 0 })
      await store.claimIdempotencyKey(hold)
      const { owner, key, subjectId: from } = hold
      if (how === 'released') await store.releaseIdempotencyKey(hold)
      else await store.reclaimIdempotencyKey({ owner, key, from, to: createId('job'), leaseMs: 0, unlessMade: true })
      const late = expect.objectContaining({ code: 'service_unavailable' })
      await expect(store.insertAccepted([jobSpec({ id: from })], hold)).rejects.toEqual(late)
      await expect(store.insertBatch(batchOf(from), hold)).rejects.toEqual(late)
      expect(await made(from)).toBe(false)
      expect(await store.getBatch(from, 'owner')).toBeNull()
    })

    it('is one thing, however close a late statement and those who take over come', async () => {
      const rounds = Array.from({ length: 15 }, async (_, round) => {
        const hold = claim({ leaseMs: 0 })
        await store.claimIdempotencyKey(hold)
        const { owner, key, subjectId: from } = hold
        const rivals = [createId('job'), createId('job')]
        const takeOver = async (to: string): Promise<boolean> => {
          if (!(await store.reclaimIdempotencyKey({ owner, key, from, to, leaseMs: 0, unlessMade: true }))) return false
          await store.insertAccepted([jobSpec({ id: to })], { owner, key, subjectId: to })
          return true
        }
        const late = () =>
          store.insertAccepted([jobSpec({ id: from })], hold).then(
            () => true,
            () => false,
          )
        const steps = [late, () => takeOver(rivals[0] ?? ''), () => takeOver(rivals[1] ?? '')]
        const done = await Promise.all([0, 1, 2].map((i) => steps[(i + round) % 3]?.()))
        expect(done.filter(Boolean)).toHaveLength(1)
        const ids = await Promise.all([from, ...rivals].map(made))
        expect(ids.filter(Boolean)).toHaveLength(1)
      })
      await Promise.all(rounds)
    })

    it('is a batch of Batches too', async () => {
      const hold = claim({ subjectId: createId('batch') })
      await store.claimIdempotencyKey(hold)
      await store.insertBatch(batchOf(hold.subjectId), hold)
      await store.releaseIdempotencyKey(hold)
      expect(await store.claimIdempotencyKey({ ...hold, bodyHash: 'other', subjectId: 'b' })).toEqual({
        kind: 'mismatch',
      })
      expect(await store.getBatch(hold.subjectId, 'owner')).toMatchObject({ status: 'validating' })
    })
  })
})
