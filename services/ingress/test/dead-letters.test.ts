import type { EndMessage, ErrorCode, JobSpec, JobView } from '@inferq/contracts'
import { createJobSpec } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, masterKey, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

let database: TestDatabase
let bench: Bench

/** Of this hour: what is overdue would end by itself. */
const now = Math.floor(Date.now() / 1000) * 1000
const at = (seconds: number) => now + (seconds - 60) * 1000
const request = { messages: [{ role: 'user', content: 'Hi' }] }

/** Oldest first; the last one waits. */
const letters: readonly (readonly [owner: string, code: ErrorCode | null])[] = [
  ['master', 'upstream_timeout'],
  ['other', 'upstream_timeout'],
  ['other', 'attempts_exhausted'],
  ['third', 'upstream_timeout'],
  ['other', null],
]
let specs: readonly JobSpec[]

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store })
  specs = letters.map(([owner], place) =>
    createJobSpec({ owner, request, createdAt: at(place), startBy: at(3_600), finishBy: at(3_600) }),
  )
  await database.store.insertAccepted(specs)
  const ends = specs.flatMap((spec, place) => {
    const code = letters[place]?.[1]
    return code ? [endOf(spec, code)] : []
  })
  await database.store.commitOutcomes(ends)
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

function endOf(spec: JobSpec, code: ErrorCode): EndMessage {
  const { id, type, operation, mode, tier, owner, model, requestId, metadata, createdAt } = spec
  return {
    ...{ kind: 'end', jobId: id, status: 'failed', type, operation, mode, tier, owner, model, requestId, metadata },
    ...{ servedModel: model, class: 'gpu', createdAt, endedAt: createdAt + 5, costNanoUsd: null },
    attempts: [{ attempt: 1, hop: 0, class: 'gpu', worker: 'w', startedAt: createdAt, outcome: 'lost' }],
    error: { code, message: 'It failed.' },
  }
}

const get = (path: string, key = masterKey) => call(`${bench.url}/v1/jobs${path}`, { key })
const post = (path: string, key = masterKey, headers = {}) =>
  call(`${bench.url}/v1/jobs${path}`, { key, method: 'POST', headers })
const idOf = (place: number): string => specs[place]?.id ?? ''
/** Places in `letters` of those found. */
async function find(query: string, key = masterKey): Promise<readonly number[]> {
  const { data } = (await (await get(`?${query}`, key)).json()) as { data: JobView[] }
  return data.map(({ id }) => specs.findIndex((spec) => spec.id === id))
}

describe('an operator', () => {
  it.each([
    ['', [0]],
    ['owner=other', [4, 2, 1]],
    ['owner=nobody', []],
    ['owner=*', [4, 3, 2, 1, 0]],
    ['owner=*&status=failed', [3, 2, 1, 0]],
    ['owner=*&status=failed&error_code=upstream_timeout', [3, 1, 0]],
    ['owner=*&error_code=attempts_exhausted', [2]],
    ['owner=*&error_code=nonsense', []],
    ['owner=*&error_code=%00', []],
    [`owner=*&status=failed&created_after=${at(0) / 1000}&created_before=${at(3) / 1000}`, [2, 1]],
  ])('finds with %s those that fit', async (query, places) => {
    expect(await find(query)).toEqual(places)
  })

  it('goes through those of all owners page by page', async () => {
    const places: number[] = []
    for (let after = ''; ; ) {
      const response = await get(`?owner=*&status=failed&limit=1${after}`)
      const { data, next } = (await response.json()) as { data: JobView[]; next: string | null }
      places.push(...data.map(({ id }) => specs.findIndex((spec) => spec.id === id)))
      if (next === null) break
      after = `&after=${next}`
    }
    expect(places).toEqual([3, 2, 1, 0])
  })

  it("looks at another owner's job, with its history", async () => {
    expect(await (await get(`/${idOf(2)}`)).json()).toMatchObject({
      owner: 'other',
      status: 'failed',
      error: { code: 'attempts_exhausted' },
      attempts: [{ attempt: 1, worker: 'w', outcome: 'lost' }],
    })
    expect((await get(`/${idOf(2)}/result`)).status).toBe(502)
  })

  it('runs it again for its owner, once with the same key', async () => {
    const headers = { 'idempotency-key': 'again' }
    const response = await post(`/${idOf(1)}/retry`, masterKey, headers)
    expect(response.status).toBe(202)
    const again = (await response.json()) as JobView
    expect(again).toMatchObject({ owner: 'other', status: 'queued', retry_of: idOf(1) })
    expect(((await (await post(`/${idOf(1)}/retry`, masterKey, headers)).json()) as JobView).id).toBe(again.id)
    expect(((await (await get(`/${again.id}`, otherKey)).json()) as JobView).id).toBe(again.id)
  })

  it('cancels one that waits', async () => {
    expect(await (await post(`/${idOf(4)}/cancel`)).json()).toMatchObject({ outcome: 'cancelled' })
  })
})

describe('anybody else', () => {
  it.each(['*', 'master', 'third'])('is refused the jobs of %s', async (owner) => {
    const response = await get(`?owner=${owner}`, otherKey)
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ error: { code: 'permission_denied', param: 'owner' } })
  })

  it('may name itself', async () => {
    expect(await find('owner=other&error_code=attempts_exhausted', otherKey)).toEqual([2])
  })

  it("neither sees, runs again nor cancels another owner's job", async () => {
    for (const place of [0, 3]) {
      expect((await get(`/${idOf(place)}`, otherKey)).status).toBe(404)
      expect((await post(`/${idOf(place)}/retry`, otherKey)).status).toBe(404)
      expect((await post(`/${idOf(place)}/cancel`, otherKey)).status).toBe(404)
    }
  })
})
