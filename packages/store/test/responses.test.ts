import { createId, createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStore, type Store, type StoredResponse } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec } from './support/jobs.ts'

describe.each(databaseKinds())('responses on $name', ({ start }) => {
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

  const make = async (overrides: Partial<StoredResponse> = {}): Promise<StoredResponse> => {
    const jobId = overrides.jobId ?? createId('job')
    const response: StoredResponse = {
      jobId,
      owner: 'owner',
      previousJobId: null,
      request: { instructions: 'Be brief.\0\ud800' },
      inputItems: [{ type: 'message', id: `msg_${jobId}`, content: 'Hi' }],
      createdAt: Date.UTC(2026, 0, 2),
      ...overrides,
    }
    await store.insertResponse(response)
    return response
  }
  const withJob = async (response: StoredResponse, result?: object) => {
    const spec = jobSpec({ id: response.jobId })
    await store.insertAccepted([spec])
    if (result !== undefined) await store.commitOutcomes([endOf(spec, { result })])
  }

  it('are kept to the letter, once, for their owner', async () => {
    const response = await make()
    await store.insertResponse({ ...response, inputItems: [] })
    expect(await store.getResponse(response.jobId, 'owner')).toEqual(response)
    expect(await store.getResponse(response.jobId, 'other')).toBeNull()
    expect(await store.getResponse(createId('job'), 'owner')).toBeNull()
  })

  it('make a conversation, oldest first, with what their jobs gave', async () => {
    const first = await make()
    await withJob(first, { said: 1 })
    const second = await make({ previousJobId: first.jobId })
    await withJob(second)
    const third = await make({ previousJobId: second.jobId })
    const chain = await store.responseChain(third.jobId, 'owner', 10)
    expect(chain).toMatchObject({
      kind: 'whole',
      turns: [
        { jobId: first.jobId, status: 'completed', result: { said: 1 }, inputItems: first.inputItems },
        { jobId: second.jobId, status: 'queued', result: null },
        { jobId: third.jobId, status: null, result: null },
      ],
    })
    expect((await store.responseChain(third.jobId, 'owner', 3)).kind).toBe('whole')
    expect((await store.responseChain(third.jobId, 'owner', 2)).kind).toBe('too_long')
    expect(await store.responseChain(third.jobId, 'other', 10)).toEqual({ kind: 'broken', turns: [] })
  })

  it('are deleted with what their jobs hold, and break the conversation', async () => {
    const first = await make()
    await withJob(first, { said: 1 })
    const second = await make({ previousJobId: first.jobId })
    expect(await store.deleteResponse(first.jobId, 'other')).toBe(false)
    expect(await store.deleteResponse(first.jobId, 'owner')).toBe(true)
    expect(await store.deleteResponse(first.jobId, 'owner')).toBe(false)
    expect(await store.getResponse(first.jobId, 'owner')).toBeNull()
    expect(await store.getJob(first.jobId, 'owner')).toMatchObject({ job: { status: 'completed', result: null } })
    expect((await store.responseChain(second.jobId, 'owner', 10)).kind).toBe('broken')
  })

  it('go when their jobs are gone, a few at a time', async () => {
    const createdAt = Date.UTC(2020, 0, 1)
    const kept = await make({ createdAt })
    await withJob(kept)
    const gone = [await make({ createdAt }), await make({ createdAt }), await make({ createdAt })]
    const fresh = await make({ createdAt: createdAt + 2 })
    const createdBefore = createdAt + 1
    expect(await store.deleteOrphanResponses({ createdBefore, limit: 2 })).toBe(2)
    expect(await store.deleteOrphanResponses({ createdBefore, limit: 2 })).toBe(1)
    expect(await store.deleteOrphanResponses({ createdBefore, limit: 2 })).toBe(0)
    for (const { jobId } of gone) expect(await store.getResponse(jobId, 'owner')).toBeNull()
    for (const { jobId } of [kept, fresh]) expect(await store.getResponse(jobId, 'owner')).not.toBeNull()
  })
})
