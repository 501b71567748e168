import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { closeRedis, createRedis, createSilentLog, startEmbeddedRedis, whenRedisReady } from '../src/index.ts'
import { collectLog, processesNaming, runFixture, sharedCacheDir, temporaryDir, until } from './support.ts'

const cacheDir = sharedCacheDir()

async function connect(url: string) {
  const redis = createRedis({ url, role: 'command', log: createSilentLog() })
  onTestFinished(() => closeRedis(redis))
  await whenRedisReady(redis, { timeoutMs: 30_000 })
  return redis
}

async function start(dataDir: string, log = collectLog()) {
  const embedded = await startEmbeddedRedis({ dataDir, cacheDir, log })
  onTestFinished(() => embedded.stop())
  return embedded
}

test('keeps what was written over a stop and a start, and leaves no process behind', async () => {
  const dataDir = join(temporaryDir(), 'redis')
  const first = await start(dataDir)
  await (await connect(first.url)).set('kept', 'yes')
  await first.stop()
  expect(processesNaming(dataDir)).toEqual([])
  const second = await start(dataDir)
  expect(await (await connect(second.url)).get('kept')).toBe('yes')
})

test('is set up so that jobs are safe in it', async () => {
  const embedded = await start(join(temporaryDir(), 'redis'))
  const redis = await connect(embedded.url)
  for (const [name, value] of [
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    ['maxmemory-policy', 'noeviction'],
    ['port', '0'],
  ]) {
    expect(await redis.config('GET', name ?? '')).toEqual([name, value])
  }
})

test('a second one on the same data directory is refused by name of the owner', async () => {
  const dataDir = join(temporaryDir(), 'redis')
  await start(dataDir)
  await expect(startEmbeddedRedis({ dataDir, cacheDir, log: collectLog() })).rejects.toMatchObject({
    code: 'data_dir_locked',
    message: expect.stringContaining(`in use by process ${process.pid}`),
  })
})

test('is started again, with its data, when it dies', async () => {
  const log = collectLog()
  const embedded = await start(join(temporaryDir(), 'redis'), log)
  const redis = await connect(embedded.url)
  await redis.set('kept', 'yes')
  const firstPid = embedded.pid ?? 0
  process.kill(firstPid, 'SIGKILL')
  await until(() => embedded.pid !== undefined && embedded.pid !== firstPid)
  await whenRedisReady(redis, { timeoutMs: 30_000 })
  expect(await redis.get('kept')).toBe('yes')
  expect(log.events.filter(({ level }) => level === 'error')).toMatchObject([
    { event: 'child-died', fields: { child: 'embedded-redis', signal: 'SIGKILL' } },
  ])
})

test('a data directory with a long path works: its socket lives elsewhere', async () => {
  const dataDir = join(temporaryDir(), 'long'.repeat(40))
  mkdirSync(dataDir)
  const embedded = await start(dataDir)
  onTestFinished(() => rmSync(dirname(embedded.socketPath), { recursive: true }))
  expect(embedded.socketPath.startsWith(dataDir)).toBe(false)
  expect(await (await connect(embedded.url)).ping()).toBe('PONG')
})

test('a parent killed with SIGKILL takes it along, and every acknowledged write is there afterwards', async () => {
  const dataDir = join(temporaryDir(), 'redis')
  const parent = runFixture('embedded-redis-parent.ts', [dataDir, cacheDir])
  await until(() => parent.lines.length > 500, 10_000, `500 writes, got ${parent.lines.slice(0, 5)}`)
  parent.process.kill('SIGKILL')
  await parent.exited
  const acknowledged = Number(parent.lines.at(-1)?.replace('acknowledged ', ''))
  expect(acknowledged).toBeGreaterThan(100)

  // Not waiting for the old one to be gone first: a quick restart is what a user does.
  const embedded = await start(dataDir)
  expect(Number(await (await connect(embedded.url)).get('counter'))).toBeGreaterThanOrEqual(acknowledged)
  await embedded.stop()
  await until(() => processesNaming(dataDir).length === 0, 5_000, 'every process gone')
})
