import { createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../src/database.ts'
import { isRowFault } from '../src/errors.ts'
import { rowsInput } from '../src/rows-input.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'

const types = { id: 'text', at: 'float8', count: 'integer', cost: 'bigint', done: 'boolean', note: 'text' } as const

type Row = Readonly<Record<keyof typeof types, unknown>>

const row = (changes: Partial<Row> = {}): Row => ({
  ...{ id: 'a', at: 1_700_000_000_000.5, count: -7, cost: 81_900, done: true, note: 'same' },
  ...changes,
})

describe.each(databaseKinds())('rows that travel to $name', ({ start }) => {
  let server: DatabaseServer
  let database: Database

  beforeAll(async () => {
    server = await start()
    const options = { url: server.url, log: createSilentLog(), maxConnections: 1, statementTimeoutMs: 10_000 }
    database = createDatabase(options)
    await until(() => database.run({ name: 'ping', text: 'select 1' }).catch(() => undefined))
  })
  afterAll(async () => {
    await database?.close()
    await server?.stop()
  })

  const travel = (rows: readonly Row[]): Promise<Row[]> => {
    const { from, values } = rowsInput(types, rows, { firstParameter: 2 })
    return database.run<Row>({
      name: 'travel',
      text: `select input.*, $1::text as first from ${from}`,
      values: ['first', ...values],
    })
  }
  const arrived = (rows: readonly Row[]) => rows.map((sent) => ({ ...sent, first: 'first' }))

  it.each([
    { what: 'none', rows: [] },
    { what: 'one', rows: [row()] },
    { what: 'several that are the same', rows: [row(), row()] },
    {
      what: 'several that differ in everything',
      rows: [
        row(),
        row({ id: '{"ü",\\}', at: -0.25, count: 2 ** 31 - 1, cost: Number.MAX_SAFE_INTEGER, done: false, note: '' }),
        row({ id: '', at: 0, count: -(2 ** 31), cost: -Number.MAX_SAFE_INTEGER, note: 'NULL' }),
      ],
    },
    {
      what: 'some without values',
      rows: [row(), row({ at: null, count: null, cost: null, done: null, note: null })],
    },
    {
      what: 'all without values',
      rows: ['a', 'b'].map((id) => row({ id, at: null, count: null, done: null, note: null })),
    },
    { what: 'large ones', rows: [row({ note: 'ü'.repeat(300_000) }), row({ note: '🙂' })] },
  ])('arrive as they were sent: $what', async ({ rows }) => {
    expect(await travel(rows)).toEqual(arrived(rows))
  })

  it.each([
    { what: 'a whole number that is too large', changes: { count: 2 ** 31 } },
    { what: 'a fraction where none may be', changes: { cost: 0.5 } },
    { what: 'a text that is no number', changes: { at: 'soon' } },
    { what: 'a text with NUL', changes: { note: 'a\0b' } },
  ])('are refused for their values: $what', async ({ changes }) => {
    for (const rows of [[row(changes)], [row(), row(changes)]]) {
      const refusal = await travel(rows).catch((thrown: unknown) => thrown)
      expect(refusal).toSatisfy(isRowFault)
    }
  })
})
