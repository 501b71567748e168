import type { JobView } from '@inferq/contracts'
import { createJobSpec } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

let database: TestDatabase
let bench: Bench

const at = (seconds: number) => 1_750_000_000_000 + seconds * 1000
/** Oldest first. */
const jobs = [
  { metadata: { doc: '1', lang: 'de' }, model: 'chat' },
  { metadata: { doc: '1', lang: 'en' }, model: 'large' },
  { metadata: { doc: '2', lang: 'de', 'odd [key]': 'ü&=' } },
  { metadata: {}, type: 'embedding', operation: 'embeddings' },
] as const
const ids: string[] = []

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store })
  const specs = jobs.map((job, place) =>
    createJobSpec({ owner: 'master', createdAt: at(place), finishBy: at(100), startBy: at(100), ...job }),
  )
  await database.store.insertAccepted(specs)
  await database.store.insertAccepted([createJobSpec({ owner: 'other', metadata: { doc: '1' } })])
  ids.push(...specs.map(({ id }) => id))
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

const get = (query: string) => call(`${bench.url}/v1/jobs?${query}`)
/** Places in `jobs` of those found. */
const find = async (query: string) => {
  const page = (await (await get(query)).json()) as { data: JobView[]; next: string | null }
  return { places: page.data.map(({ id }) => ids.indexOf(id)), next: page.next }
}

describe('the list of jobs', () => {
  it.each([
    ['', [3, 2, 1, 0]],
    ['metadata[doc]=1', [1, 0]],
    ['metadata[doc]=1&metadata[lang]=de', [0]],
    ['metadata%5Blang%5D=de', [2, 0]],
    [`metadata[${encodeURIComponent('odd [key]')}]=${encodeURIComponent('ü&=')}`, [2]],
    ['metadata[doc]=', []],
    ['metadata[doc]=%00', []],
    ['metadata[doc]=1&model=large', [1]],
    ['model=%00', []],
    ['type=embedding', [3]],
    ['status=queued&class=gpu', [3, 2, 1, 0]],
    ['status=failed', []],
    [`created_after=${at(1) / 1000}`, [3, 2]],
    [`created_before=${at(1) / 1000}`, [0]],
    [`created_after=${at(0) / 1000 - 0.001}&created_before=${at(1) / 1000 + 0.001}`, [1, 0]],
    [`created_after=${at(50) / 1000}&created_before=${at(2) / 1000}`, []],
  ])('filtered by %s', async (query, expected) => {
    expect((await find(query)).places).toEqual(expected)
  })

  it('goes on page by page under the same filters', async () => {
    const first = await find('metadata[lang]=de&limit=1')
    expect(first.places).toEqual([2])
    const second = await find(`metadata[lang]=de&limit=1&after=${first.next}`)
    expect(second).toEqual({ places: [0], next: null })
  })

  it.each([
    ['status=done', 'status'],
    ['type=image', 'type'],
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=many', 'limit'],
    ['after=nonsense', 'after'],
    ['created_after=yesterday', 'created_after'],
    ['created_after=', 'created_after'],
    ['created_before=-1', 'created_before'],
    ['created_before=1e400', 'created_before'],
    ['created_before=1&created_before=2', 'created_before'],
    ['metadata=1', 'metadata'],
    ['metadata[]=1', 'metadata[]'],
    ['metadata[doc=1', 'metadata[doc'],
    ['metadata[doc]=1&metadata[doc]=2', 'metadata[doc]'],
    [`metadata[${'k'.repeat(65)}]=1`, `metadata[${'k'.repeat(65)}]`],
    [`metadata[doc]=${'v'.repeat(513)}`, 'metadata[doc]'],
    [Array.from({ length: 17 }, (_, i) => `metadata[k${i}]=1`).join('&'), 'metadata'],
    ['who=other', 'who'],
    ['owner=', 'owner'],
    [`error_code=${'x'.repeat(65)}`, 'error_code'],
  ])('refuses %s, naming what is wrong', async (query, param) => {
    const response = await get(query)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param } })
  })
})
