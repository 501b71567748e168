import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSilentLog, type EmbeddedPostgres, startEmbeddedPostgres } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

/** What the embedded Postgres promises to many clients of its one session; with pg, which only the store may use. */
describe('the embedded session', () => {
  let directory: string
  let server: EmbeddedPostgres

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'inferq-session-'))
    server = await startEmbeddedPostgres({
      dataDir: join(directory, 'postgres'),
      cacheDir: join(import.meta.dirname, '../../../.inferq/cache'),
      log: createSilentLog(),
    })
  })
  afterAll(async () => {
    await server?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const connect = (max = 8): pg.Pool => {
    const pool = new pg.Pool({ connectionString: server.url, max })
    pool.on('error', () => {})
    onTestFinished(() => pool.end())
    return pool
  }

  it('keeps statements, large values, errors and transactions of many clients apart', async () => {
    const pool = connect()
    const large = 'x'.repeat(300_000)
    const kinds: readonly ((round: number) => Promise<void>)[] = [
      async (round) => {
        expect((await pool.query('select $1::int as a', [round])).rows).toEqual([{ a: round }])
      },
      async (round) => {
        expect((await pool.query('select $1::int as a, $2::text as b', [round, 'b'])).rows).toEqual([
          { a: round, b: 'b' },
        ])
      },
      async (round) => {
        const { rows } = await pool.query('select $1::text as large', [`${large}${round}`])
        expect(rows[0].large).toHaveLength(large.length + `${round}`.length)
      },
      () => expect(pool.query('select 1 / $1::int', [0])).rejects.toThrow('division by zero'),
      () => expect(pool.query('select bogus from $1', [0])).rejects.toThrow('syntax error'),
      async (round) => {
        const client = await pool.connect()
        try {
          await client.query('begin')
          expect((await client.query('select $1::int as a', [round])).rows).toEqual([{ a: round }])
          await client.query('commit')
        } finally {
          client.release()
        }
      },
    ]
    await Promise.all(
      kinds.map(async (kind) => {
        for (let round = 0; round < 40; round++) await kind(round)
      }),
    )
  })

  it('rolls back what a client that went away had open, and goes on with the others', async () => {
    const pool = connect(2)
    const client = await pool.connect()
    client.on('error', () => {})
    await client.query('begin')
    await client.query('create table left_behind ()')
    const other = pool.query('select 1 as one')
    client.release(true)
    expect((await other).rows).toEqual([{ one: 1 }])
    expect((await pool.query(`select to_regclass('left_behind') as name`)).rows).toEqual([{ name: null }])
  })

  it('makes others wait for an open transaction, and lets them go on after it', async () => {
    const pool = connect(2)
    const client = await pool.connect()
    await client.query('begin')
    const done: string[] = []
    const other = pool.query('select 1').then(() => done.push('other'))
    await client.query('select 1')
    await client.query('commit')
    done.push('transaction')
    client.release()
    await other
    expect(done).toEqual(['transaction', 'other'])
  })

  it('serves its limit of connections, and new ones when some have gone', async () => {
    const many = Array.from({ length: 70 }, () => new pg.Client({ connectionString: server.url }))
    for (const client of many) client.on('error', () => {})
    const connected = await Promise.allSettled(many.map((client) => client.connect()))
    expect(connected.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(60)
    expect(connected.some(({ status }) => status === 'rejected')).toBe(true)
    await Promise.allSettled(many.map((client) => client.end()))
    const pool = connect(1)
    await until(() =>
      pool.query('select 1').then(
        () => true,
        () => false,
      ),
    )
  })
})
