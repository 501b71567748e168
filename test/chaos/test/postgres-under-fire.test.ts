import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPostgres } from '@inferq/testkit/postgres-binaries'
import { startTcpProxy } from '@inferq/testkit/tcp-proxy'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Database } from '../system/database.ts'
import { cleanEnvironment } from '../system/environment.ts'
import { startPglite } from '../system/pglite.ts'
import { createPostgresUnderFire } from '../system/postgres-under-fire.ts'
import { startPostgresql } from '../system/postgresql.ts'
import { sql } from '../system/sql.ts'
import type { PostgresUnderFire } from '../system/system.ts'

const cacheDir = join(import.meta.dirname, '../../../.inferq/cache')
const env = cleanEnvironment()
const binDir = findPostgres()
const starters: readonly (readonly [name: string, start: (folder: string) => Promise<Database>])[] = [
  ['PGlite', (folder) => startPglite({ dataDir: folder, cacheDir, env })],
  ...(binDir === undefined
    ? []
    : [['PostgreSQL', (folder: string) => startPostgresql({ binDir, folder, env })] as const]),
]

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

describe.each(starters)('%s under fire', (_, start) => {
  let folder: string
  let database: Database
  let postgres: PostgresUnderFire

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'inferq-chaos-'))
    await chmod(folder, 0o711)
    database = await start(folder)
    postgres = createPostgresUnderFire(database)
    await sql(postgres.url, 'CREATE TABLE kept (line integer)')
  })
  afterAll(async () => {
    await database?.stop('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  const lines = async () => (await sql(postgres.url, 'SELECT line FROM kept ORDER BY line')).map(({ line }) => line)

  it('is gone when stopped, however, and has its data when started again', async () => {
    const before = await lines()
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      await sql(postgres.url, `INSERT INTO kept VALUES (${before.length})`)
      await postgres.stop(signal)
      await expect(sql(postgres.url, 'SELECT 1')).rejects.toThrow()
      await postgres.start()
      await postgres.start()
    }
    expect(await lines()).toHaveLength(before.length + 2)
  })

  it('answers nothing while it is paused, and everything then', async () => {
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    onTestFinished(() => client.end())
    postgres.pause()
    const answers = Promise.all([
      client.query('SELECT 7 AS line').then(({ rows }) => rows),
      sql(postgres.url, 'SELECT 7 AS line'),
    ])
    expect(await Promise.race([answers, sleep(300, 'silent')])).toBe('silent')
    postgres.resume()
    expect(await answers).toEqual([[{ line: 7 }], [{ line: 7 }]])
  })

  it('can be stopped while it is paused', async () => {
    postgres.pause()
    await postgres.stop('SIGKILL')
    await postgres.start()
    await sql(postgres.url, 'SELECT 1')
  })

  it('fails over: connections end, then nothing can be written, then all is as before', async () => {
    const proxy = await startTcpProxy(database.target)
    onTestFinished(() => proxy.stop())
    const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`
    const before = await lines()
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const ended = new Promise((resolve) => client.on('error', resolve))

    let isOver = false
    const failOver = postgres.failOver().then(() => {
      isOver = true
    })
    const codes = new Set<string>()
    let written = 0
    while (!isOver) {
      await sql(url, 'INSERT INTO kept VALUES (-1)').then(
        () => {
          written += 1
        },
        (error: { code?: string }) => codes.add(error.code ?? 'none'),
      )
    }
    await failOver
    await ended
    // read_only_sql_transaction
    expect([...codes]).toContain('25006')
    await sql(url, 'INSERT INTO kept VALUES (-1)')
    expect(await lines()).toHaveLength(before.length + written + 1)
  })
})
