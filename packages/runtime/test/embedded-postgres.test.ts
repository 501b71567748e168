import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from '../src/index.ts'
import { connectPostgres, type PostgresClient } from './postgres-client.ts'
import { collectLog, processesNaming, runFixture, sharedCacheDir, temporaryDir, until } from './support.ts'

const cacheDir = sharedCacheDir()
/** A database process is heavy, and may have to make its template first. */
const patienceMs = 60_000

async function start(dataDir: string, options: Partial<EmbeddedPostgresOptions> = {}, log = collectLog()) {
  const embedded = await startEmbeddedPostgres({ dataDir, cacheDir, log, ...options })
  onTestFinished(() => embedded.stop())
  return embedded
}

async function connect(embedded: EmbeddedPostgres): Promise<PostgresClient> {
  const client = await connectPostgres(embedded.socketPath)
  onTestFinished(() => client.close())
  return client
}

test(
  'keeps rows and vectors over a stop and a start, refuses a second one, and leaves no process behind',
  async () => {
    const dataDir = join(temporaryDir(), 'postgres')
    const first = await start(dataDir)
    const client = await connect(first)
    await client.query('CREATE EXTENSION vector; CREATE TABLE kept (place vector(3))')
    await client.query("INSERT INTO kept VALUES ('[1,2,3]')")
    await expect(startEmbeddedPostgres({ dataDir, cacheDir, log: collectLog() })).rejects.toMatchObject({
      code: 'data_dir_locked',
      message: expect.stringContaining(`in use by process ${process.pid}`),
    })
    expect(new URL(first.url).searchParams.get('host')).toBe(dataDir)
    await first.stop()
    expect(processesNaming(dataDir)).toEqual([])

    const second = await start(dataDir)
    expect(await (await connect(second)).query("SELECT place <-> '[1,2,5]' FROM kept")).toEqual(['2'])
  },
  patienceMs,
)

test(
  'is started again, with its rows, when it dies and when it hangs',
  async () => {
    const log = collectLog()
    const embedded = await start(join(temporaryDir(), 'postgres'), { silentAfterMs: 1_000, probeIntervalMs: 200 }, log)
    await (await connect(embedded)).query('CREATE TABLE kept (); INSERT INTO kept DEFAULT VALUES')
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      const { pid = 0 } = embedded
      process.kill(pid, signal)
      await until(() => embedded.pid !== undefined && embedded.pid !== pid, 20_000, `a new process after ${signal}`)
      expect(await (await connect(embedded)).query('SELECT count(*) FROM kept')).toEqual(['1'])
    }
    expect(log.events).toContainEqual(
      expect.objectContaining({
        event: 'child-replaced',
        fields: expect.objectContaining({ reason: 'its socket is silent' }),
      }),
    )
  },
  patienceMs,
)

test(
  'a parent killed with SIGKILL takes it along, and every committed row is there afterwards',
  async () => {
    const dataDir = join(temporaryDir(), 'postgres')
    const parent = runFixture('embedded-postgres-parent.ts', [dataDir, cacheDir])
    await until(() => parent.lines.length > 100, 30_000, '100 writes')
    parent.process.kill('SIGKILL')
    await parent.exited
    const acknowledged = Number(parent.lines.at(-1)?.replace('acknowledged ', ''))
    expect(acknowledged).toBeGreaterThan(50)

    // Not waiting for the old one to be gone first: a quick restart is what a user does.
    const embedded = await start(dataDir)
    const [count] = await (await connect(embedded)).query(`SELECT count(*) FROM counter WHERE value <= ${acknowledged}`)
    expect(Number(count)).toBe(acknowledged)
    await embedded.stop()
    await until(() => processesNaming(dataDir).length === 0, 5_000, 'every process gone')
  },
  patienceMs,
)

test(
  'keeps its log short while it runs, and every row when it is killed after that',
  async () => {
    const dataDir = join(temporaryDir(), 'postgres')
    const embedded = await start(dataDir, { checkpoints: { lookEveryMs: 0, afterBytes: 1024 ** 2 } })
    const client = await connect(embedded)
    const unfinished = await connect(embedded)
    await client.query('CREATE TABLE kept (number int, filling text)')
    const logBytes = async (): Promise<number> => {
      const sql = 'SELECT pg_current_wal_insert_lsn() - redo_lsn FROM pg_control_checkpoint()'
      return Number((await client.query(sql))[0])
    }
    const write = (by: PostgresClient): Promise<unknown> =>
      by.query("INSERT INTO kept SELECT n, repeat('x', 1000) FROM generate_series(1, 500) n")
    for (let round = 0; round < 20; round++) {
      await write(client)
      expect(await logBytes()).toBeLessThan(2 * 1024 ** 2)
    }
    // Not in the middle of a transaction: it would be part of it, and fail in one that has failed.
    await unfinished.query('BEGIN')
    await write(unfinished)
    await expect(unfinished.query('SELECT 1 / 0')).rejects.toThrow('division by zero')
    await unfinished.query('ROLLBACK')

    const { pid = 0 } = embedded
    process.kill(pid, 'SIGKILL')
    await until(() => embedded.pid !== undefined && embedded.pid !== pid, 20_000, 'a new process')
    expect(await (await connect(embedded)).query('SELECT count(*) FROM kept')).toEqual(['10000'])
  },
  patienceMs,
)
